"""What the values of a config must be, as one table that one function reads."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from typing import Any

from mmciss.engine.known_keys import known_keys
from mmciss.errors import ConfigError, close_matches

MOST_ITERATIONS = 10**9
"""Where mmengine's schedules end."""
LARGEST_SEED = 2**32 - 10_001
"""NumPy's seeds end at 2**32 - 1; steps, ranks and data workers add to the one that is given."""
FLOATS = ('float16', 'bfloat16', 'float32', 'float64')
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    Attributes:
        pattern: Dotted keys; ``*`` is one part of it, ``**`` any number of them.
        fits: Whether a value is allowed.
        allowed: What is allowed, in words.
        choices: The values allowed, if they are few.
    """

    pattern: str
    fits: Callable[[Any], bool]
    allowed: str
    choices: tuple[str, ...] = ()


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; ``True`` and ``'1'`` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: Any, lowest: float = -math.inf, highest: float = math.inf) -> bool:
    """Whether a value is an integer within bounds; ``True`` and ``1.0`` are none."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def integer(pattern: str, lowest: int, highest: int = MOST_ITERATIONS) -> Rule:
    """Makes the rule for an integer."""
    return Rule(
        pattern, lambda value: is_integer(value, lowest, highest), f'an integer, at least {lowest}, at most {highest:,}'
    )


def number(pattern: str, lowest: float = -math.inf, words: str = 'a finite number') -> Rule:
    """Makes the rule for a finite number."""
    return Rule(pattern, lambda value: is_number(value) and value >= lowest, words)


def not_negative(pattern: str) -> Rule:
    """Makes the rule for a finite number from 0 on."""
    return number(pattern, 0, 'a finite number, at least 0')


def choice(pattern: str, *choices: str) -> Rule:
    """Makes the rule for one of several words."""
    return Rule(pattern, lambda value: value in choices, f'one of {", ".join(map(repr, choices))}', choices)


def switch(pattern: str) -> Rule:
    """Makes the rule for True or False."""
    return Rule(pattern, lambda value: isinstance(value, bool), 'True or False')


def text(pattern: str) -> Rule:
    """Makes the rule for a string that is not empty."""
    return Rule(pattern, lambda value: isinstance(value, str | PathLike) and bool(str(value).strip()), 'a string')


def _is_period(value: Any) -> bool:
    return is_integer(value, 1, MOST_ITERATIONS) or value == -1


def _is_size(value: Any) -> bool:
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    return all(is_integer(item, 1) for item in sides)


def _is_weight(value: Any) -> bool:
    """Losses of a user's own may have several weights; each is looked at by itself."""
    return is_number(value) or (isinstance(value, list | tuple | Mapping) and bool(value))


def _are_milestones(value: Any) -> bool:
    pairs = value if isinstance(value, list | tuple) else [None]
    return all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(is_integer(item, 0) for item in pair)
        for pair in pairs
    )


RULES = (
    # What the whole run does.
    text('work_dir'),
    text('experiment_name'),
    text('load_from'),
    text('base_from'),
    text('default_scope'),
    *map(
        switch,
        (
            'resume',
            'check_data',
            'keep_training_checkpoints',
            'find_unused_parameters',
            'protocol.joint',
            'auto_scale_lr.enable',
            'env_cfg.cudnn_benchmark',
            'randomness.deterministic',
            'randomness.diff_rank_seed',
        ),
    ),
    integer('randomness.seed', 0, LARGEST_SEED),
    integer('auto_scale_lr.base_batch_size', 1),
    Rule('compile', lambda value: isinstance(value, bool | Mapping), 'True, False or a dictionary for torch.compile'),
    choice('launcher', 'none', 'pytorch', 'slurm', 'mpi'),
    choice('sync_bn', 'torch', 'mmcv'),
    Rule(
        'log_level',
        lambda value: value in LOG_LEVELS or is_integer(value, 0, 50),
        f'{", ".join(map(repr, LOG_LEVELS))} or a number from 0 to 50',
        LOG_LEVELS,
    ),
    choice('env_cfg.mp_cfg.mp_start_method', 'fork', 'spawn', 'forkserver'),
    integer('env_cfg.mp_cfg.opencv_num_threads', 0, 4096),
    integer('env_cfg.resource_limit', 1),
    choice('env_cfg.dist_cfg.backend', 'nccl', 'gloo', 'mpi', 'ucc', 'hccl', 'cncl', 'mccl', 'smddp'),
    number('env_cfg.dist_cfg.timeout', 1, 'a number of seconds, at least 1'),
    # Loops and hooks.
    integer('train_cfg.max_iters', 1),
    integer('train_cfg.val_interval', 1),
    integer('train_cfg.val_begin', 1),
    Rule('train_cfg.dynamic_intervals', _are_milestones, 'a list of pairs (iteration, interval)'),
    *(switch(f'{loop}_cfg.fp16') for loop in ('val', 'test')),
    integer('default_hooks.logger.interval', 1),
    integer('default_hooks.visualization.interval', 1),
    *map(
        switch,
        (
            'default_hooks.visualization.draw',
            'default_hooks.visualization.show',
            'default_hooks.logger.ignore_last',
            'default_hooks.checkpoint.by_epoch',
            'default_hooks.checkpoint.save_last',
            'default_hooks.checkpoint.save_optimizer',
            'default_hooks.checkpoint.save_param_scheduler',
            'log_processor.by_epoch',
        ),
    ),
    *(
        Rule(f'default_hooks.checkpoint.{key}', _is_period, 'an integer, at least 1, or -1 for none')
        for key in ('interval', 'max_keep_ckpts')
    ),
    Rule(
        'default_hooks.checkpoint.out_dir',
        lambda value: value is None,
        'None: --resume looks for checkpoints in the folder of their step',
    ),
    integer('default_hooks.checkpoint.save_begin', 0),
    integer('log_processor.window_size', 1),
    # Loaders.
    integer('*_dataloader.batch_size', 1, 10**6),
    integer('*_dataloader.num_workers', 0, 512),
    integer('*_dataloader.prefetch_factor', 1, 10**4),
    integer('*_dataloader.num_batch_per_epoch', 1),
    not_negative('*_dataloader.timeout'),
    choice('*_dataloader.multiprocessing_context', 'fork', 'spawn', 'forkserver'),
    *(
        switch(f'*_dataloader.{key}')
        for key in (
            'persistent_workers',
            'pin_memory',
            'drop_last',
            'shuffle',
            'sampler.shuffle',
            'disable_subprocess_warning',
        )
    ),
    # Learning.
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
    *(
        not_negative(f'optim_wrapper.paramwise_cfg.{key}')
        for key in (
            'custom_keys.**.lr_mult',
            'custom_keys.**.decay_mult',
            'bias_lr_mult',
            'bias_decay_mult',
            'norm_decay_mult',
            'dwconv_decay_mult',
            'dcn_offset_lr_mult',
            'flat_decay_mult',
        )
    ),
    Rule(
        'optim_wrapper.clip_grad.max_norm',
        lambda value: value == math.inf or (is_number(value) and value >= 0),
        'a number, at least 0',
    ),
    number('optim_wrapper.clip_grad.clip_value', 0, 'a number, at least 0'),
    *(
        number(f'param_scheduler.**.{key}')
        for key in ('power', 'eta_min', 'eta_min_ratio', 'start_factor', 'end_factor', 'gamma', 'factor')
    ),
    *(
        integer(f'param_scheduler.**.{key}', 0)
        for key in ('begin', 'end', 'T_max', 'total_steps', 'step_size', 'milestones.*')
    ),
    switch('param_scheduler.**.by_epoch'),
    switch('param_scheduler.**.convert_to_iter_based'),
    # Models and methods.
    integer('model.**.num_classes', 1, 10**6),
    *(Rule(f'{place}.**.loss_weight', _is_weight, 'a finite number') for place in ('method', 'model')),
    number('method.**.loss_weight.*'),
    number('model.**.loss_weight.*'),
    switch('method.classifier.future_rows'),
    switch('method.base.classifier.future_rows'),
    *(Rule(f'model.test_cfg.{key}', _is_size, 'two integers, at least 1') for key in ('crop_size', 'stride')),
    Rule('model.data_preprocessor.std.*', lambda value: is_number(value) and value > 0, 'a positive number'),
    integer('method.memory.size', 1),
    integer('method.base.memory.size', 1),
)
"""What values must be. None mostly is what the library makes of a key that is not there, and passes."""

MAY_BE_INFINITE = re.compile(r'optim_wrapper\.clip_grad\.(max_norm|norm_type)|(model|custom_hooks|default_hooks)\..+')
"""An endless largest norm is how gradients are measured and not clipped; the norm of order infinity is the maximum.
Modules and hooks of the user's may take an endless margin or limit."""

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
"""Where the library has another default, which None takes the place of."""


def check_values(cfg: Mapping[str, Any]) -> None:
    """Refuses values that cannot work, wherever they stand; variables of the file may have any.

    Raises:
        ConfigError: Naming the key, the value and what is allowed.
    """
    for key, value in walk({name: value for name, value in cfg.items() if name in known_keys()}):
        if isinstance(value, float) and not math.isfinite(value):
            if math.isnan(value) or not MAY_BE_INFINITE.fullmatch(key):
                raise ConfigError(f'{key}: must be a finite number, found {value!r}')
        if value is None and key not in NEVER_NONE and not key.endswith('.loss_weight'):
            continue
        for rule in (*_rules_by_end().get(key.rpartition('.')[2], ()), *_rules_by_end()['*']):
            if _pattern(rule.pattern).fullmatch(key) and not rule.fits(value):
                raise ConfigError(
                    f'{key}: must be {rule.allowed}; found {value!r}.'
                    f'{close_matches(value, rule.choices, 1) if isinstance(value, str) else ""}'
                )


def walk(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Yields every value of a config with its dotted key, dictionaries and lists before what is in them.

    Examples:
        >>> list(walk(dict(a=[1, dict(b=2)])))
        [('a', [1, {'b': 2}]), ('a.0', 1), ('a.1', {'b': 2}), ('a.1.b', 2)]
    """
    if key:
        yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        yield from walk(item, f'{key}.{name}' if key else str(name))


@lru_cache(maxsize=None)
def _rules_by_end() -> dict[str, list[Rule]]:
    """Returns the rules by the last part of their keys; lists of classes and colours make configs long."""
    found: dict[str, list[Rule]] = {}
    for rule in RULES:
        found.setdefault(rule.pattern.rpartition('.')[2], []).append(rule)
    return found


@lru_cache(maxsize=None)
def _pattern(pattern: str) -> re.Pattern[str]:
    """Returns the regular expression of a rule's pattern; names of parameters, in ``**``, have dots of their own."""
    return re.compile(re.escape(pattern).replace(r'\*\*\.', r'(?:.+\.)?').replace(r'\*', '[^.]+'))
