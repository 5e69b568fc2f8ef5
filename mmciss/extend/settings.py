"""How the new classes are learned: derived from the model's own config and the amount of data, each with a reason."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mmengine.config import Config, ConfigDict

from mmciss.engine.export import RECORD
from mmciss.engine.model_config import replace_main_loss
from mmciss.engine.step_config import NEWEST
from mmciss.engine.checks.values import is_number
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel, growing_layers
from mmciss.extend.pipelines import config_pipeline, crop_of

EPOCHS = 30
FEWEST_ITERATIONS = 300
MOST_ITERATIONS = 20000
LARGEST_CROP = 16384
LR_FACTOR = 0.1
CONVOLUTIONAL = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005))
TRANSFORMER = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'norm': dict(decay_mult=0.0), 'head': dict(lr_mult=10.0)}),
)
"""What MMSegmentation trains models of the two kinds with, for configs that name no optimizer."""


@dataclass(frozen=True)
class Setting:
    """A decision.

    Attributes:
        value: What was decided.
        reason: Why, in words.
    """

    value: Any
    reason: str

    def __str__(self) -> str:
        return f'{self.value} ({self.reason})'


@dataclass(frozen=True)
class Wishes:
    """What the user decided; None leaves it to :func:`derive`."""

    method: str | None = None
    iters: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    crop_size: int | None = None

    def __post_init__(self) -> None:
        for key in ('iters', 'lr', 'batch_size', 'crop_size'):
            value = getattr(self, key)
            if value is not None and not (is_number(value) and value > 0):
                raise ConfigError(f'--{key.replace("_", "-")}: {value!r}; it must be a positive number')
        if self.crop_size is not None and self.crop_size > LARGEST_CROP:
            raise ConfigError(f'--crop-size: {self.crop_size}; at most {LARGEST_CROP} pixels')


def derive(
    old: OldModel, num_images: int, sizes: Sequence[tuple[int, int]], wishes: Wishes = Wishes()
) -> dict[str, Setting]:
    """Decides on method, batch, crop, learning rate and iterations.

    Args:
        old: The model.
        num_images: Images to train on.
        sizes: Height and width of the images.
        wishes: What the user decided.

    Returns:
        ``method``, ``optimizer`` (a config of an optim wrapper with the learning rates inside), ``lr``, ``new_rows_lr``,
        ``batch_size``, ``crop_size`` (height and width), ``iters``.
    """
    settings = {'method': _method(old)}
    optimizer, settings['lr'] = _learning_rate(old)
    settings['batch_size'] = _batch_size(old.cfg, num_images)
    settings['crop_size'] = _crop_size(old.cfg, sizes)
    given = {
        'method': wishes.method,
        'lr': wishes.lr,
        'batch_size': wishes.batch_size,
        'crop_size': wishes.crop_size and (wishes.crop_size,) * 2,
    }
    settings.update({key: Setting(value, 'as given') for key, value in given.items() if value is not None})
    settings['iters'] = _iterations(old.cfg, num_images, settings['batch_size'].value)
    if wishes.iters is not None:
        settings['iters'] = Setting(wishes.iters, 'as given')
    optimizer.optimizer.lr = settings['lr'].value
    rows = faster_new_rows(optimizer, growing_layers(old.cfg.model))
    if rows:
        settings['new_rows_lr'] = Setting(
            rows, f'{1 / LR_FACTOR:g} times the rate of the rows beside them: new classes have everything to learn'
        )
    settings['optimizer'] = Setting(optimizer, 'that of the model')
    return settings


def _method(old: OldModel) -> Setting:
    if not has_replaceable_loss(old.cfg.model):
        return Setting(
            'lwf', "the model's own loss stays as it is: it is no softmax cross entropy, which other methods replace"
        )
    if old.background:
        return Setting(
            'mib',
            f'class 0, {old.names[0]!r}, is a background class: what is not labelled is background or '
            f'an old class, which MiB models',
        )
    return Setting(
        'lwf_unbiased',
        f'no class means background (class 0 is {old.names[0]!r}): what is not labelled is '
        f'some old class, and the old model says which',
    )


def has_replaceable_loss(model: Mapping[str, Any]) -> bool:
    """Whether every head has a softmax cross entropy, in whose place a method can put its own loss."""
    try:
        replace_main_loss(copy.deepcopy(model), dict(type='UnbiasedCrossEntropyLoss'))
    except ConfigError:
        return False
    return True


def _learning_rate(old: OldModel) -> tuple[ConfigDict, Setting]:
    cfg = old.cfg
    wrapper = cfg.get('optim_wrapper') or (cfg.get(RECORD) or {}).get('optim_wrapper')
    if not wrapper and isinstance(cfg.get('optimizer'), Mapping):
        wrapper = dict(type='OptimWrapper', optimizer=cfg.optimizer)
    known = bool(wrapper and (wrapper.get('optimizer') or {}).get('lr'))
    if not known:
        in_backbone = any(name.startswith('backbone') and name.endswith('running_mean') for name in old.weights)
        wrapper = CONVOLUTIONAL if in_backbone else TRANSFORMER
    wrapper = ConfigDict(copy.deepcopy(wrapper))
    own = float(wrapper.optimizer.lr)
    whose = "the model's own" if known else 'the usual (the config has no optimizer)'
    return wrapper, Setting(
        own * LR_FACTOR,
        f'a tenth of {whose} {own:g} with {wrapper.optimizer.type}, as the papers do: what is known shall move little',
    )


def faster_new_rows(wrapper: ConfigDict, layers: Sequence[str]) -> float | None:
    """Lets the rows of new classes learn at the rate at which the model itself was trained, in place.

    Args:
        wrapper: Config of an optim wrapper.
        layers: Names of the layers whose rows are classes.

    Returns:
        That rate for the last layer; None if the config divides parameters by a rule of its own.
    """
    if wrapper.get('constructor') not in (None, 'DefaultOptimWrapperConstructor'):
        return None
    options = wrapper.setdefault('paramwise_cfg', ConfigDict())
    keys = options.setdefault('custom_keys', ConfigDict())
    rate = None
    for layer in layers:
        # As the constructor does: of the keys that fit, the longest counts.
        fitting = sorted((key for key in keys if key in f'segmentor.{layer}.weight'), key=len)
        beside = keys[fitting[-1]] if fitting else {}
        factor = float(beside.get('lr_mult', 1.0)) / LR_FACTOR
        # The layer's whole name makes this the longest key.
        keys[f'segmentor.{layer}.{NEWEST}'] = ConfigDict(beside, lr_mult=factor)
        rate = float(wrapper.optimizer.lr) * factor
    return rate


def _batch_size(cfg: Config, num_images: int) -> Setting:
    own = (cfg.get('train_dataloader') or {}).get('batch_size') or (cfg.get(RECORD) or {}).get('batch_size')
    wanted, reason = (int(own), "the model's own") if own else (8, 'usual; the config names none')
    if num_images < wanted:
        return Setting(max(1, num_images), f'{reason} {wanted} cut to the number of images')
    return Setting(wanted, reason)


def _crop_size(cfg: Config, sizes: Sequence[tuple[int, int]]) -> Setting:
    own = crop_of(config_pipeline(cfg, 'train'))
    if own:
        return Setting(own, "the crop of the model's training pipeline")
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    if preprocessor.get('size'):
        return Setting(tuple(map(int, preprocessor['size'])), "the size of the model's data preprocessor")
    short = median(min(size) for size in sizes)
    side = int(min(512, max(32, short // 32 * 32)))
    return Setting((side, side), f'the config names none; the images have a short side of {short:g}')


def _iterations(cfg: Config, num_images: int, batch: int) -> Setting:
    epoch = max(1, num_images // batch)
    wanted = EPOCHS * epoch
    text = f'{EPOCHS} passes over {num_images} images, as in the papers'
    own = (cfg.get('train_cfg') or {}).get('max_iters')
    most = min(MOST_ITERATIONS, int(own)) if own else MOST_ITERATIONS
    if wanted > most:
        return Setting(most, f'{text}, cut to ' + ("the model's own training" if own and most == own else 'a limit'))
    if wanted < FEWEST_ITERATIONS:
        return Setting(FEWEST_ITERATIONS, f'{text}, would be {wanted}; but new classes need some {FEWEST_ITERATIONS}')
    return Setting(wanted, text)
