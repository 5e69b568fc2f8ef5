"""Which keys of a config are read by anything, so that a slip of the pen is found instead of ignored."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import torch.distributed
from mmengine import dist
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from mmciss.errors import ConfigError, close_matches
from mmciss.utils.signatures import accepted_arguments, check_names

OWN_KEYS = ('protocol', 'method', 'steps')
"""The keys that mmciss adds to a config of MMSegmentation."""
OWN_OPTIONS = ('run_steps', 'base_from', 'keep_training_checkpoints', 'check_data', 'runner_type')
"""What mmciss and ``tools/train.py`` read besides."""
FILE_KEYS = ('custom_imports', 'tta_model', 'tta_pipeline')
"""What mmengine reads when it loads a file, and what MMSegmentation's ``tools/test.py`` reads."""
COMMON_VARIABLES = frozenset(
    (
        'train_pipeline',
        'test_pipeline',
        'val_pipeline',
        'dataset',
        'data',
        'data_root',
        'optimizer',
        'models',
        'runner',
        'randomness_seed',
        'method_name',
        'vis_backends',
        'norm_cfg',
        'train_dataset',
        'val_dataset',
        'test_dataset',
    )
)
"""Variables that configs are written with; near a known key, and no slip."""

LOADER_EXTRAS = (
    'dataset',
    'sampler',
    'batch_sampler',
    'num_batch_per_epoch',
    'worker_init_fn',
    'collate_fn',
    'disable_subprocess_warning',
)
"""What mmengine takes out of the config of a loader before it builds torch's."""
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
"""Those of mmengine, and MMSegmentation's ``visualization``."""
OPTIM_WRAPPERS = (None, 'OptimWrapper', 'AmpOptimWrapper', 'CpuAmpOptimWrapper', 'ApexOptimWrapper')
PLAIN_CONSTRUCTORS = (None, 'DefaultOptimWrapperConstructor')


@lru_cache(maxsize=None)
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
    """Refuses keys of a file that are nearly one that is read; any other is a variable of the file.

    What the file itself uses is a variable, whatever its name is (``protocols = [...]``, ``protocol = protocols[0]``),
    and so is a name that ends with a digit.

    Raises:
        ConfigError: Naming the key and what was probably meant.
    """
    text = cfg.text if isinstance(cfg, Config) else ''
    for name in cfg:
        if name not in known_keys() and name not in COMMON_VARIABLES and not str(name).startswith('_'):
            if str(name)[-1:].isdigit() or _is_used(str(name), text):
                continue
            meant = similar_key(str(name), known_keys() - set(FILE_KEYS))
            if meant:
                raise ConfigError(
                    f'{name}: no key of a config. Did you mean {meant!r}? A variable of the file needs a '
                    f'name that is less like it'
                )


def _is_used(name: str, text: str) -> bool:
    """Whether a config's text reads a variable, and does not only set it."""
    # mmengine puts a line with its path above every file.
    code = '\n'.join(line.partition('#')[0] for line in text.splitlines() if not line.endswith('.py'))
    return re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', code) is not None


def check_changes(changes: Mapping[str, Any], key: str) -> None:
    """Refuses changes of a config, by dotted keys, whose first part nothing reads.

    Args:
        changes: What is merged into a step's config: ``steps.base.cfg``, ``method.cfg``.
        key: Where it stands.

    Raises:
        ConfigError: Naming the key and what was probably meant.
    """
    for name in changes:
        first = str(name).split('.')[0]
        if first not in known_keys():
            raise ConfigError(
                f'{key}.{name}: nothing reads the key {first!r} of a config.{close_matches(first, known_keys(), 1)}'
            )


def check_nested(cfg: Mapping[str, Any]) -> None:
    """Refuses unknown keys inside the dictionaries of a config whose keys are known.

    Raises:
        ConfigError: Naming the key, what is allowed and what was probably meant.
    """
    for key, allowed in _schemas(cfg).items():
        value = _find(cfg, key.split('.'))
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise ConfigError(f'{key}: must be a dictionary, found {value!r}')
        check_names(list(value), allowed, key)
    clip = _find(cfg, ['optim_wrapper', 'clip_grad'])
    if isinstance(clip, Mapping) and cfg['optim_wrapper'].get('type') in OPTIM_WRAPPERS:
        needed = 'clip_value' if clip.get('type') == 'value' else 'max_norm'
        if clip.get(needed) is None:
            raise ConfigError(f'optim_wrapper.clip_grad: needs {needed}, such as dict({needed}=1.0); found {clip!r}')
    hooks = cfg.get('default_hooks') or {}
    for name in hooks:
        if name not in DEFAULT_HOOKS and hooks[name] is None:
            raise ConfigError(f'default_hooks.{name}: only a default hook can be None: {", ".join(DEFAULT_HOOKS)}')
        if name not in DEFAULT_HOOKS and (meant := similar_key(str(name), DEFAULT_HOOKS)):
            raise ConfigError(f'default_hooks.{name}: no default hook. Did you mean {meant!r}?')


def _schemas(cfg: Mapping[str, Any]) -> dict[str, Collection[str]]:
    """Returns the keys that each dictionary may have, where that can be told."""
    loader = (accepted_arguments(DataLoader)[0] - {'generator'}) | set(LOADER_EXTRAS)  # no config can hold a generator
    processes = accepted_arguments(set_multi_processing)[0] - {'distributed'}
    group = accepted_arguments(dist.init_dist)[0] | accepted_arguments(torch.distributed.init_process_group)[0]
    schemas: dict[str, Collection[str]] = {f'{split}_dataloader': loader for split in ('train', 'val', 'test')}
    schemas.update(
        {
            'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
            'env_cfg.mp_cfg': processes,
            'env_cfg.dist_cfg': (group | {'port'}) - {'launcher'},
            'randomness': accepted_arguments(Runner.set_randomness)[0] - {'self'},
            'auto_scale_lr': ('enable', 'base_batch_size'),
        }
    )
    wrapper = cfg.get('optim_wrapper')
    if isinstance(wrapper, Mapping) and wrapper.get('type') in OPTIM_WRAPPERS:
        schemas['optim_wrapper.clip_grad'] = CLIP_KEYS
    if isinstance(wrapper, Mapping) and wrapper.get('constructor') in PLAIN_CONSTRUCTORS:
        schemas['optim_wrapper.paramwise_cfg'] = PARAMWISE_KEYS
        groups = _find(cfg, ['optim_wrapper', 'paramwise_cfg', 'custom_keys'])
        for name, options in groups.items() if isinstance(groups, Mapping) else ():
            if not isinstance(options, Mapping):
                raise ConfigError(
                    f'optim_wrapper.paramwise_cfg.custom_keys[{name!r}]: must be a dictionary such as '
                    f'dict(lr_mult=0.1), found {options!r}'
                )
            # mmengine reads these two and lets others pass.
            check_names(
                list(options),
                ('lr_mult', 'decay_mult'),
                f'optim_wrapper.paramwise_cfg.custom_keys[{name!r}]',
                takes_any=True,
            )
    return schemas


def _find(cfg: Any, parts: list[str]) -> Any:
    for part in parts:
        if not isinstance(cfg, Mapping):
            return None
        cfg = cfg.get(part)
    return cfg
