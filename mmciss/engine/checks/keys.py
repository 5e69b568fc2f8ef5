"""Which keys of a config are read at all, so that a misspelt one is refused rather than ignored."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

import torch.distributed
from mmengine import dist
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from mmciss.errors import ConfigError, close_matches
from mmciss.utils.blame import accepted_arguments, blaming, check_names

OWN_KEYS = ('protocol', 'method', 'steps')
"""The keys that mmciss adds to a config of MMSegmentation."""
OWN_OPTIONS = (
    'run_steps',
    'base_from',
    'keep_training_checkpoints',
    'check_data',
    'channels_last',
    'accuracy_interval',
    'display',
    'runner_type',
)
"""Further keys that mmciss and ``tools/train.py`` read."""
FILE_KEYS = ('custom_imports', 'tta_model', 'tta_pipeline')
"""What mmengine reads when it loads a file, and what MMSegmentation's ``tools/test.py`` reads."""
COMMON_VARIABLES = frozenset(
    'train_pipeline test_pipeline val_pipeline dataset data data_root optimizer models runner randomness_seed '
    'method_name vis_backends norm_cfg train_dataset val_dataset test_dataset'.split()
)
"""Variables often found in configs that look like a misspelt key and are not."""

LOADER_EXTRAS = (
    'dataset',
    'sampler',
    'batch_sampler',
    'num_batch_per_epoch',
    'worker_init_fn',
    'collate_fn',
    'disable_subprocess_warning',
)
"""What mmengine takes out of a loader's config before it builds torch's loader."""
PARAMWISE_KEYS = (
    'custom_keys',
    'bias_lr_mult',
    'bias_decay_mult',
    'norm_decay_mult',
    'dwconv_decay_mult',
    'dcn_offset_lr_mult',
    'flat_decay_mult',
    'bypass_duplicate',
)
CLIP_KEYS = ('type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value')
DEFAULT_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint', 'visualization')
"""The default hooks of mmengine, and MMSegmentation's ``visualization``."""
OPTIM_WRAPPERS = (None, 'OptimWrapper', 'AmpOptimWrapper', 'CpuAmpOptimWrapper', 'ApexOptimWrapper')
PLAIN_CONSTRUCTORS = (None, 'DefaultOptimWrapperConstructor')
FLAG = '--cfg-options'


@cache
def known_keys() -> frozenset[str]:
    """Returns the top-level keys that mmciss, mmengine's runner or MMSegmentation's tools read."""
    runner = accepted_arguments(Runner)[0] - {'cfg'}
    # Further keys that the runner reads out of the whole config ('model_wrapper_cfg', 'compile', 'sync_bn').
    read = re.findall(r"self\.cfg\.get\(\s*'(\w+)'", inspect.getsource(Runner))
    return frozenset((*OWN_KEYS, *OWN_OPTIONS, *FILE_KEYS, *runner, *read))


def similar_key(name: str, allowed: Iterable[str]) -> str | None:
    """Returns the key that was probably meant, or None.

    Examples:
        >>> similar_key('protcol', ['protocol', 'model']), similar_key('crop_size', ['protocol', 'model'])
        ('protocol', None)
    """
    found = difflib.get_close_matches(name.lower(), sorted(allowed), 1, 0.8)
    return found[0] if found else None


def check_top_level(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses top-level keys that look like a misspelt one; all others are taken for variables of the file.

    A name that the file itself uses is a variable, whatever it looks like (``protocols = [...]``,
    ``protocol = protocols[0]``), and so is a name that ends in a digit.

    Raises:
        ConfigError: Naming the key and what was probably meant.
    """
    text = cfg.text if isinstance(cfg, Config) else ''
    for name in map(str, cfg):
        if name in known_keys() or name in COMMON_VARIABLES or name.startswith('_'):
            continue
        if name[-1:].isdigit() or _is_used(name, text):
            continue
        if meant := similar_key(name, known_keys() - set(FILE_KEYS)):
            raise ConfigError(
                f'{name}: no such key. Did you mean {meant!r}? If it is a variable of the file, give it a name that '
                f'looks less like a key'
            )


def _is_used(name: str, text: str) -> bool:
    """Whether a config's text reads a variable, rather than only sets it."""
    # mmengine puts a line with its path above every file.
    code = '\n'.join(line.partition('#')[0] for line in text.splitlines() if not line.endswith('.py'))
    return re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', code) is not None


def check_changes(changes: Mapping[str, Any], key: str) -> None:
    """Refuses changes by dotted keys, as in ``steps.base.cfg`` and ``method.cfg``, whose first part nothing reads.

    Args:
        changes: What is merged into a step's config.
        key: The config key that holds them.

    Raises:
        ConfigError: Naming the key and what was probably meant.
    """
    for name in changes:
        first = str(name).split('.')[0]
        if first not in known_keys():
            raise ConfigError(f'{key}.{name}: nothing reads the key {first!r}.{close_matches(first, known_keys(), 1)}')


def apply_cfg_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Merges the values of ``--cfg-options`` into a config, in place.

    Args:
        cfg: The config.
        options: Values by dotted keys.

    Raises:
        ConfigError: If a key is neither in the config nor read by anything, or does not fit the config.
    """
    for key in options or {}:
        first = key.split('.')[0]
        if first in known_keys():
            continue
        if first not in cfg:
            raise ConfigError(
                f'{FLAG} {key}: the config has no key {first!r}, and nothing reads it.{_meant(first, cfg)}'
            )
        print_log(
            f'{FLAG} {key}: {first!r} is a variable of the config file. What the file made of it does not change; set '
            f'the keys that use it instead',
            level=logging.WARNING,
        )
    if options:
        for key in options:
            _drop_other_length(cfg, key, options)
        with blaming(f'{FLAG} {" ".join(options)}'):
            cfg.merge_from_dict(dict(options))
        for key, value in options.items():
            _warn_if_overruled(cfg, key, value)


def _warn_if_overruled(cfg: Config, key: str, value: Any) -> None:
    """Says which values of ``--cfg-options`` do not count at some steps, since a method has its own for them.

    They are not refused: they count at the other steps, and in a comparison for the methods that have none.
    """
    for owner, steps in (('method', 'later steps'), ('method.base', 'the base step')):
        slots = _find(dict(method=cfg.get('method')), owner)
        changes = slots.get('cfg') if isinstance(slots, Mapping) else None
        for name, own in _values_at(changes, key).items() if isinstance(changes, Mapping) else ():
            given = _find(_nested(key, value), name)
            if given != own:
                print_log(
                    f'{FLAG} {key}={value}: not at {steps}, where the method has {name}={own}; set {owner}.cfg.{name} '
                    f'to change that',
                    logger='current',
                    level=logging.WARNING,
                )


def _values_at(changes: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns what changes, nested or by dotted keys, say inside a dotted key, or of what it lies in."""
    found = {}
    for name, value in changes.items():
        if isinstance(value, Mapping) and value:
            inside = {f'{name}.{inner}': item for inner, item in value.items()}
            found.update(_values_at(inside, key))
        elif f'{name}.'.startswith(f'{key}.') or f'{key}.'.startswith(f'{name}.'):
            found[name] = value
    return found


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split('.')):
        value = {part: value}
    return dict(value)


def _drop_other_length(cfg: Config, key: str, options: Mapping[str, Any]) -> None:
    """Lets ``steps.GROUP.iters`` take the place of the config's epochs, and the other way round."""
    group, _, name = key.rpartition('.')
    found = _find(dict(steps=cfg.get('steps')), group)
    others = {'iters': ('epochs', 'min_iters'), 'epochs': ('iters',)}.get(name, ())
    for other in others if isinstance(found, dict) else ():
        if f'{group}.{other}' not in options:
            found.pop(other, None)


def _meant(name: str, cfg: Config) -> str:
    """Returns a suggestion for an unknown key: a top-level key, or one a level deeper."""
    if close := close_matches(name, known_keys(), 1, 0.7):
        return close
    inside = [
        f'{outer}.{inner}'
        for outer in cfg
        if outer in known_keys() and isinstance(cfg[outer], Mapping)
        for inner in cfg[outer]
        if difflib.SequenceMatcher(None, name, str(inner)).ratio() > 0.85
    ]
    return f' Did you mean {" or ".join(map(repr, inside[:3]))}?' if inside else ''


def check_nested(cfg: Mapping[str, Any]) -> None:
    """Refuses unknown keys in those dictionaries of a config whose keys are known.

    Raises:
        ConfigError: Naming the key, what is allowed and what was probably meant.
    """
    for key, allowed in _schemas(cfg).items():
        value = _find(cfg, key)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise ConfigError(f'{key}: must be a dictionary; found {value!r}')
        check_names(list(value), allowed, key)
    clip = _find(cfg, 'optim_wrapper.clip_grad')
    if isinstance(clip, Mapping) and cfg['optim_wrapper'].get('type') in OPTIM_WRAPPERS:
        needed = 'clip_value' if clip.get('type') == 'value' else 'max_norm'
        if clip.get(needed) is None:
            raise ConfigError(f'optim_wrapper.clip_grad: needs {needed}, such as dict({needed}=1.0); found {clip!r}')
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if name not in DEFAULT_HOOKS and hook is None:
            raise ConfigError(f'default_hooks.{name}: only these can be None: {", ".join(DEFAULT_HOOKS)}')
        if name not in DEFAULT_HOOKS and (meant := similar_key(str(name), DEFAULT_HOOKS)):
            raise ConfigError(f'default_hooks.{name}: no such default hook. Did you mean {meant!r}?')


def _schemas(cfg: Mapping[str, Any]) -> dict[str, Collection[str]]:
    """Returns the keys that each dictionary may have, where that is known."""
    loader = (accepted_arguments(DataLoader)[0] - {'generator'}) | set(LOADER_EXTRAS)  # no config can hold a generator
    processes = accepted_arguments(set_multi_processing)[0] - {'distributed'}
    group = accepted_arguments(dist.init_dist)[0] | accepted_arguments(torch.distributed.init_process_group)[0]
    schemas: dict[str, Collection[str]] = {
        **{f'{split}_dataloader': loader for split in ('train', 'val', 'test')},
        'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
        'env_cfg.mp_cfg': processes,
        'env_cfg.dist_cfg': (group | {'port'}) - {'launcher'},
        'randomness': accepted_arguments(Runner.set_randomness)[0] - {'self'},
        'auto_scale_lr': ('enable', 'base_batch_size'),
    }
    wrapper = cfg.get('optim_wrapper')
    if isinstance(wrapper, Mapping) and wrapper.get('type') in OPTIM_WRAPPERS:
        schemas['optim_wrapper.clip_grad'] = CLIP_KEYS
    if isinstance(wrapper, Mapping) and wrapper.get('constructor') in PLAIN_CONSTRUCTORS:
        schemas['optim_wrapper.paramwise_cfg'] = PARAMWISE_KEYS
        groups = _find(cfg, 'optim_wrapper.paramwise_cfg.custom_keys')
        for name, options in groups.items() if isinstance(groups, Mapping) else ():
            key = f'optim_wrapper.paramwise_cfg.custom_keys[{name!r}]'
            if not isinstance(options, Mapping):
                raise ConfigError(f'{key}: must be a dictionary such as dict(lr_mult=0.1); found {options!r}')
            # mmengine reads these two and ignores others.
            check_names(list(options), ('lr_mult', 'decay_mult'), key, takes_any=True)
    return schemas


def _find(cfg: Any, key: str) -> Any:
    """Returns the value of a dotted key; None if there is none."""
    for part in key.split('.'):
        if not isinstance(cfg, Mapping):
            return None
        cfg = cfg.get(part)
    return cfg
