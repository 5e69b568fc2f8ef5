"""What each value of a config must be: one table, read by one function."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from typing import Any

from mmciss.engine.checks.keys import known_keys
from mmciss.errors import ConfigError, close_matches

MOST_ITERATIONS = 10**9
"""mmengine's schedules end here."""
LARGEST_SEED = 2**32 - 10_001
"""NumPy takes seeds up to 2**32 - 1; the step, the rank and the data worker are added to the user's."""
FLOATS = ('float16', 'bfloat16', 'float32', 'float64')
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    Attributes:
        pattern: A dotted key; ``*`` stands for one part of it, ``**`` for any number of parts.
        fits: Whether a value is allowed.
        allowed: What is allowed, in words.
        choices: The allowed values, where there are few.
    """

    pattern: str
    fits: Callable[[Any], bool]
    allowed: str
    choices: tuple[str, ...] = ()


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, which ``True`` and ``'1'`` are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: Any, lowest: float = -math.inf, highest: float = math.inf) -> bool:
    """Whether a value is an integer within bounds; ``True`` and ``1.0`` are not integers."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def integer(pattern: str, lowest: int, highest: int = MOST_ITERATIONS) -> Rule:
    """Asks for an integer."""
    return Rule(pattern, lambda value: is_integer(value, lowest, highest), f'an integer from {lowest} to {highest:,}')


def number(pattern: str, lowest: float = -math.inf, words: str = 'a finite number') -> Rule:
    """Asks for a finite number."""
    return Rule(pattern, lambda value: is_number(value) and value >= lowest, words)


def not_negative(pattern: str) -> Rule:
    """Asks for a finite number, 0 or more."""
    return number(pattern, 0, 'a finite number, 0 or more')


def choice(pattern: str, *choices: str) -> Rule:
    """Asks for one of several words."""
    return Rule(pattern, lambda value: value in choices, f'one of {", ".join(map(repr, choices))}', choices)


def switch(pattern: str) -> Rule:
    """Asks for True or False."""
    return Rule(pattern, lambda value: isinstance(value, bool), 'True or False')


def text(pattern: str) -> Rule:
    """Asks for a string that is not empty."""
    return Rule(pattern, lambda value: isinstance(value, str | PathLike) and bool(str(value).strip()), 'a string')


def dictionary(pattern: str) -> Rule:
    """Asks for a dictionary."""
    return Rule(pattern, lambda value: isinstance(value, Mapping), 'a dictionary')


def list_of_configs(pattern: str) -> Rule:
    """Asks for a list."""
    return Rule(pattern, lambda value: isinstance(value, list | tuple), 'a list of configs')


def each(rule: Callable[[str], Rule], patterns: str) -> tuple[Rule, ...]:
    """Makes one rule for each of several patterns, separated by spaces."""
    return tuple(map(rule, patterns.split()))


def _is_period(value: Any) -> bool:
    return is_integer(value, 1, MOST_ITERATIONS) or value == -1


def _is_size(value: Any) -> bool:
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    return all(is_integer(item, 1) for item in sides)


def _is_weight(value: Any) -> bool:
    """Whether a value can weigh a loss; a user's own loss may have several weights, each checked by its own rule."""
    return is_number(value) or (isinstance(value, list | tuple | Mapping) and bool(value))


def _is_head(value: Any) -> bool:
    return all(isinstance(item, Mapping) for item in (value if isinstance(value, list | tuple) else [value]))


def _are_intervals(value: Any) -> bool:
    pairs = value if isinstance(value, list | tuple) else [None]
    return all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(is_integer(item, 0) for item in pair)
        for pair in pairs
    )


SLOTS = 'main_loss losses labeler initializer freeze classifier structure decision shared statistics memory cfg'
"""The slots of a method that hold a dictionary."""

RULES = (
    # Dictionaries and lists; the rules further down look inside.
    *each(dictionary, 'protocol method method.base method.extension method.exemplars steps steps.* steps.*.cfg model'),
    *each(dictionary, 'optim_wrapper optim_wrapper.optimizer'),
    *each(dictionary, ' '.join(f'method.{slot} method.base.{slot}' for slot in SLOTS.split())),
    *each(dictionary, 'model.backbone model.neck model.data_preprocessor model.train_cfg model.test_cfg'),
    *each(
        dictionary, 'train_dataloader val_dataloader test_dataloader *_dataloader.sampler train_cfg val_cfg test_cfg'
    ),
    *each(dictionary, 'optim_wrapper.paramwise_cfg optim_wrapper.paramwise_cfg.custom_keys'),
    *each(dictionary, 'default_hooks env_cfg randomness data_preprocessor log_processor visualizer model_wrapper_cfg'),
    *each(list_of_configs, 'custom_hooks method.hooks method.base.hooks'),
    Rule('model.decode_head', _is_head, 'a dictionary or a list of dictionaries'),
    Rule('model.auxiliary_head', _is_head, 'a dictionary or a list of dictionaries'),
    # The whole run.
    *each(text, 'work_dir experiment_name load_from base_from default_scope'),
    *each(switch, 'resume check_data channels_last keep_training_checkpoints find_unused_parameters protocol.joint'),
    *each(switch, 'auto_scale_lr.enable env_cfg.cudnn_benchmark randomness.deterministic randomness.diff_rank_seed'),
    integer('randomness.seed', 0, LARGEST_SEED),
    integer('accuracy_interval', 1),
    integer('auto_scale_lr.base_batch_size', 1),
    Rule('compile', lambda value: isinstance(value, bool | Mapping), 'True, False or a dictionary for torch.compile'),
    choice('launcher', 'none', 'pytorch', 'slurm', 'mpi'),
    choice('sync_bn', 'torch', 'mmcv'),
    Rule(
        'log_level',
        lambda value: value in LOG_LEVELS or is_integer(value, 0, 50),
        f'{", ".join(map(repr, LOG_LEVELS))} or an integer from 0 to 50',
        LOG_LEVELS,
    ),
    choice('env_cfg.mp_cfg.mp_start_method', 'fork', 'spawn', 'forkserver'),
    integer('env_cfg.mp_cfg.opencv_num_threads', 0, 4096),
    integer('env_cfg.resource_limit', 1),
    choice('env_cfg.dist_cfg.backend', 'nccl', 'gloo', 'mpi', 'ucc', 'hccl', 'cncl', 'mccl', 'smddp'),
    number('env_cfg.dist_cfg.timeout', 1, 'a number of seconds, 1 or more'),
    # Loops and hooks.
    integer('train_cfg.max_iters', 1),
    integer('train_cfg.val_interval', 1),
    integer('train_cfg.val_begin', 1),
    Rule('train_cfg.dynamic_intervals', _are_intervals, 'a list of pairs (iteration, interval)'),
    *each(switch, 'val_cfg.fp16 test_cfg.fp16 log_processor.by_epoch'),
    integer('log_processor.window_size', 1),
    integer('default_hooks.logger.interval', 1),
    integer('default_hooks.visualization.interval', 1),
    *each(switch, 'default_hooks.visualization.draw default_hooks.visualization.show default_hooks.logger.ignore_last'),
    *each(switch, 'default_hooks.checkpoint.by_epoch default_hooks.checkpoint.save_last'),
    *each(switch, 'default_hooks.checkpoint.save_optimizer default_hooks.checkpoint.save_param_scheduler'),
    Rule('default_hooks.checkpoint.interval', _is_period, 'an integer, 1 or more, or -1 for never'),
    Rule('default_hooks.checkpoint.max_keep_ckpts', _is_period, 'an integer, 1 or more, or -1 for all'),
    Rule(
        'default_hooks.checkpoint.out_dir',
        lambda value: value is None,
        "None, since --resume looks for checkpoints in the step's own folder",
    ),
    integer('default_hooks.checkpoint.save_begin', 0),
    # Data loaders.
    integer('*_dataloader.batch_size', 1, 10**6),
    integer('*_dataloader.num_workers', 0, 512),
    integer('*_dataloader.prefetch_factor', 1, 10**4),
    integer('*_dataloader.num_batch_per_epoch', 1),
    not_negative('*_dataloader.timeout'),
    choice('*_dataloader.multiprocessing_context', 'fork', 'spawn', 'forkserver'),
    *each(switch, '*_dataloader.persistent_workers *_dataloader.pin_memory *_dataloader.drop_last'),
    *each(switch, '*_dataloader.shuffle *_dataloader.sampler.shuffle *_dataloader.disable_subprocess_warning'),
    # Optimizers and schedules.
    *(not_negative(f'optim_wrapper.optimizer.{key}') for key in ('lr', 'weight_decay', 'momentum')),
    *(number(f'optim_wrapper.optimizer.{key}') for key in ('eps', 'dampening', 'alpha', 'betas.*')),
    *(switch(f'optim_wrapper.optimizer.{key}') for key in ('nesterov', 'amsgrad', 'maximize')),
    integer('optim_wrapper.accumulative_counts', 1),
    Rule(
        'optim_wrapper.dtype',
        lambda value: value in FLOATS or type(value).__name__ == 'dtype',
        f'one of {", ".join(map(repr, FLOATS))}',
        FLOATS,
    ),
    Rule(
        'optim_wrapper.loss_scale',
        lambda value: value == 'dynamic' or isinstance(value, Mapping) or is_number(value),
        "'dynamic', a finite number or a dictionary for torch's GradScaler",
    ),
    *each(
        not_negative,
        'optim_wrapper.paramwise_cfg.custom_keys.**.lr_mult optim_wrapper.paramwise_cfg.custom_keys.**.decay_mult',
    ),
    *(
        not_negative(f'optim_wrapper.paramwise_cfg.{key}_mult')
        for key in ('bias_lr', 'bias_decay', 'norm_decay', 'dwconv_decay', 'dcn_offset_lr', 'flat_decay')
    ),
    Rule(
        'optim_wrapper.clip_grad.max_norm',
        lambda value: value == math.inf or (is_number(value) and value >= 0),
        'a number, 0 or more',
    ),
    number('optim_wrapper.clip_grad.clip_value', 0, 'a number, 0 or more'),
    *(
        number(f'param_scheduler.**.{key}')
        for key in ('power', 'eta_min', 'eta_min_ratio', 'start_factor', 'end_factor', 'gamma', 'factor')
    ),
    *(
        integer(f'param_scheduler.**.{key}', 0)
        for key in ('begin', 'end', 'T_max', 'total_steps', 'step_size', 'milestones.*')
    ),
    *each(switch, 'param_scheduler.**.by_epoch param_scheduler.**.convert_to_iter_based'),
    # Models and methods.
    integer('model.**.num_classes', 1, 10**6),
    Rule('method.**.loss_weight', _is_weight, 'a finite number'),
    Rule('model.**.loss_weight', _is_weight, 'a finite number'),
    number('method.**.loss_weight.*'),
    number('model.**.loss_weight.*'),
    *each(switch, 'method.classifier.future_rows method.base.classifier.future_rows'),
    Rule('model.test_cfg.crop_size', _is_size, 'two integers, 1 or more'),
    Rule('model.test_cfg.stride', _is_size, 'two integers, 1 or more'),
    Rule('model.data_preprocessor.std.*', lambda value: is_number(value) and value > 0, 'a positive number'),
    integer('method.memory.size', 1),
    integer('method.base.memory.size', 1),
)
"""What values must be. None passes where the library takes it for a key that is not there."""

MAY_BE_INFINITE = re.compile(r'optim_wrapper\.clip_grad\.(max_norm|norm_type)|(model|custom_hooks|default_hooks)\..+')
"""``max_norm=inf`` measures gradients without clipping them, and ``norm_type=inf`` is the maximum norm. A user's own
modules and hooks may take an infinite margin or limit."""

NEVER_NONE = (
    'log_level',
    'optim_wrapper.optimizer.lr',
    'train_dataloader.batch_size',
    'default_hooks.logger.interval',
    'default_hooks.checkpoint.interval',
    'env_cfg.mp_cfg.mp_start_method',
    'train_cfg.val_interval',
    'train_cfg.val_begin',
)
"""Where None would replace a default of the library that is not None."""


def check_values(cfg: Mapping[str, Any]) -> None:
    """Refuses values that cannot work, wherever they stand; the file's own variables may hold anything.

    Raises:
        ConfigError: Naming the key, the value and what is allowed.
    """
    for key, value in walk({name: value for name, value in cfg.items() if name in known_keys()}):
        if isinstance(value, float) and (
            math.isnan(value) or (math.isinf(value) and not MAY_BE_INFINITE.fullmatch(key))
        ):
            raise ConfigError(f'{key}: must be a finite number; found {value!r}')
        if value is None and key not in NEVER_NONE and not key.endswith('.loss_weight'):
            continue
        for rule in (*_rules_by_end().get(key.rpartition('.')[2], ()), *_rules_by_end()['*']):
            if _pattern(rule.pattern).fullmatch(key) and not rule.fits(value):
                raise ConfigError(
                    f'{key}: must be {rule.allowed}; found {value!r}.'
                    f'{close_matches(value, rule.choices, 1) if isinstance(value, str) else ""}'
                )


def walk(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Yields every value of a config with its dotted key; dictionaries and lists come before their items.

    Examples:
        >>> list(walk(dict(a=[1, dict(b=2)])))
        [('a', [1, {'b': 2}]), ('a.0', 1), ('a.1', {'b': 2}), ('a.1.b', 2)]
    """
    if key:
        yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        yield from walk(item, f'{key}.{name}' if key else str(name))


@cache
def _rules_by_end() -> dict[str, list[Rule]]:
    """Returns the rules by the last part of their patterns: with long class lists, trying every rule would be slow."""
    found: dict[str, list[Rule]] = {}
    for rule in RULES:
        found.setdefault(rule.pattern.rpartition('.')[2], []).append(rule)
    return found


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """Returns a pattern as a regular expression; ``**`` may also stand for a parameter's name, which has dots."""
    return re.compile(re.escape(pattern).replace(r'\*\*\.', r'(?:.+\.)?').replace(r'\*', '[^.]+'))
