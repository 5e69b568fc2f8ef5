"""Settings of the training, derived from the model's config and the amount of data, with reasons."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mmengine.config import Config, ConfigDict

from mmciss.datasets.exemplars import ReplayOptions
from mmciss.engine.checks.values import is_number
from mmciss.engine.model_config import replace_main_loss
from mmciss.engine.runner.step_config import EXTENSION_KEYS, NEWEST
from mmciss.errors import ConfigError, flag
from mmciss.extend.old_model import OldModel
from mmciss.extend.pipelines import crop_of
from mmciss.models.classifiers.probe import growing_layers
from mmciss.protocols.labels import IGNORE, UNKNOWN
from mmciss.registry import INITIALIZERS, LABELERS, STRUCTURES, class_of
from mmciss.utils.configs import load_method, method_names

EPOCHS = 30
FEWEST_ITERATIONS = 300
MOST_ITERATIONS = 20000
LARGEST_CROP = 16384
LR_FACTOR = 0.1
REPLAY_LR_FACTOR = 0.25
"""For methods that fill half of every batch with old images; see docs/methods/replay.md."""
ENOUGH_EXEMPLARS = 10
"""Images of each old class from which its rows can be solved for anew; see docs/extend_results.md."""
CONVOLUTIONAL = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005))
TRANSFORMER = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'norm': dict(decay_mult=0.0), 'head': dict(lr_mult=10.0)}),
)
"""MMSegmentation's usual optimizers for both kinds of models, for configs without an optimizer."""


@dataclass(frozen=True)
class Setting:
    """A setting and its reason, in words."""

    value: Any
    reason: str

    def __str__(self) -> str:
        return f'{value_text(self.value)} ({self.reason})'


def value_text(value: Any) -> str:
    """Formats the value of a setting."""
    if isinstance(value, Mapping):
        return str((value.get('optimizer') or {}).get('type'))
    if isinstance(value, list | tuple):
        return 'x'.join(map(str, value))
    return f'{value:g}' if isinstance(value, float) else str(value)


def check_given(**given: Any) -> dict[str, Any]:
    """Returns those of the user's own settings that are not None.

    Raises:
        ConfigError: If a number is not positive, or the crops are too large.
    """
    known = {key: value for key, value in given.items() if value is not None}
    for key, value in known.items():
        if key != 'method' and not (is_number(value) and value > 0):
            raise ConfigError(f'{flag(key)}: {value!r}; it must be a positive number')
    if known.get('crop_size', 0) > LARGEST_CROP:
        raise ConfigError(f'--crop-size: {known["crop_size"]}; at most {LARGEST_CROP} pixels')
    return known


def derive(
    old: OldModel,
    num_images: int,
    sizes: Sequence[tuple[int, int]],
    given: Mapping[str, Any] | None = None,
    exemplars: int = 0,
) -> dict[str, Setting]:
    """Derives the settings that are not given, from the model, the number of images and their heights and widths.

    ``exemplars`` is how many images of the old data show each old class, at least. ``given`` may have ``method``,
    ``iters``, ``lr``, ``batch_size`` and ``crop_size``, see :func:`check_given`.

    Returns:
        ``method``, ``lr``, ``batch_size``, ``crop_size`` (height and width), ``iters``, ``new_rows_lr`` and
        ``optimizer`` (a config of an optim wrapper with the learning rates inside).
    """
    chosen = {key: (value, value) if key == 'crop_size' else value for key, value in (given or {}).items()}
    method = _method(old, exemplars)
    mixed = mixes(str(chosen.get('method', method.value)), exemplars)
    optimizer, lr = _learning_rate(old, mixed)
    settings = {
        'method': method,
        'lr': lr,
        'batch_size': _batch_size(old, num_images),
        'crop_size': _crop_size(old, sizes),
        **{key: Setting(value, 'as given') for key, value in chosen.items()},
    }
    settings.setdefault('iters', _iterations(old, num_images, settings['batch_size'].value, mixed))
    optimizer.optimizer.lr = settings['lr'].value
    rows = faster_new_rows(optimizer, growing_layers(old.model))
    if rows:
        settings['new_rows_lr'] = Setting(
            rows, f'{1 / LR_FACTOR:g} times the rate of the old rows: new classes have everything to learn'
        )
    settings['optimizer'] = Setting(optimizer.to_dict(), 'that of the model')
    return settings


def _method(old: OldModel, exemplars: int) -> Setting:
    first = old.names[0]
    if old.structure is not None:
        return Setting('closed_form_fine', 'the rows of the model were solved for, from sums that are in its state.pth')
    try:
        replace_main_loss(old.model, dict(type='UnbiasedCrossEntropyLoss'))
    except ConfigError:
        return Setting(
            'lwf', 'the model keeps its own loss, which is not a softmax cross entropy; other methods would replace it'
        )
    layers = growing_layers(old.model)
    if old.background and any(name.startswith('decode_head') and name.endswith('.conv_seg') for name in layers):
        if exemplars >= ENOUGH_EXEMPLARS:
            return Setting(
                'closed_form_fine',
                f'{exemplars} images or more of the old data show each old class: enough to solve for all classes at '
                f'once, without training',
            )
        few = f'; {ENOUGH_EXEMPLARS} old images of each old class, of which one has {exemplars}, would need no training'
        return Setting(
            'anchor',
            f'class 0, {first!r}, is a background class: what is not labelled is background or an old class, which '
            f'Anchor models{few if exemplars else ""}',
        )
    if old.background:
        return Setting('mib', f'class 0, {first!r}, is a background class, and Anchor needs a 1x1 classifier conv_seg')
    return Setting(
        'lwf_unbiased',
        f'there is no background class (class 0 is {first!r}): what is not labelled is some old class, and the old '
        f'model says which',
    )


def _learning_rate(old: OldModel, mixed: bool) -> tuple[ConfigDict, Setting]:
    wrapper = old.optim_wrapper
    known = bool(wrapper and (wrapper.get('optimizer') or {}).get('lr'))
    if not known:
        in_backbone = any(name.startswith('backbone') and name.endswith('running_mean') for name in old.weights)
        wrapper = CONVOLUTIONAL if in_backbone else TRANSFORMER
    wrapper = ConfigDict(copy.deepcopy(wrapper))
    own = float(wrapper.optimizer.lr)
    whose = "the model's own" if known else 'the usual (the config has no optimizer)'
    kind = f'{whose} {own:g} with {wrapper.optimizer.type}'
    if mixed:
        return wrapper, Setting(own * REPLAY_LR_FACTOR, f'a quarter of {kind}: old images hold the old classes')
    return wrapper, Setting(own * LR_FACTOR, f'a tenth of {kind}, as in the papers: old classes should change little')


def faster_new_rows(wrapper: ConfigDict, layers: Sequence[str]) -> float | None:
    """Makes the rows of new classes in these layers learn ten times as fast as the old ones, in place.

    With the usual rate of an extension that is the rate of the model's own training.

    Returns:
        That rate for the last layer; None if the config has its own rule for parameter groups.
    """
    if wrapper.get('constructor') not in (None, 'DefaultOptimWrapperConstructor'):
        return None
    options = wrapper.setdefault('paramwise_cfg', ConfigDict())
    keys = options.setdefault('custom_keys', ConfigDict())
    rate = None
    for layer in layers:
        # As in mmengine's constructor, the longest matching key counts.
        fitting = sorted((key for key in keys if key in f'segmentor.{layer}.weight'), key=len)
        beside = keys[fitting[-1]] if fitting else {}
        factor = float(beside.get('lr_mult', 1.0)) / LR_FACTOR
        # The layer's whole name makes this the longest key.
        keys[f'segmentor.{layer}.{NEWEST}'] = ConfigDict(beside, lr_mult=factor)
        rate = float(wrapper.optimizer.lr) * factor
    return rate


def _batch_size(old: OldModel, num_images: int) -> Setting:
    wanted, reason = (old.batch_size, "the model's own") if old.batch_size else (8, 'usual; the config names none')
    if num_images < wanted:
        return Setting(max(1, num_images), f'{reason} {wanted} cut to the number of images')
    return Setting(wanted, reason)


def _crop_size(old: OldModel, sizes: Sequence[tuple[int, int]]) -> Setting:
    own = crop_of(old.train_pipeline)
    if own:
        return Setting(own, "the crop of the model's training pipeline")
    size = (old.model.get('data_preprocessor') or {}).get('size')
    if size:
        return Setting(tuple(map(int, size)), "the size of the model's data preprocessor")
    short = median(min(size) for size in sizes)
    side = int(min(512, max(32, short // 32 * 32)))
    return Setting((side, side), f'the config names none; the images have a short side of {short:g}')


def _iterations(old: OldModel, num_images: int, batch: int, mixed: bool) -> Setting:
    epoch = max(1, num_images // batch)
    wanted = EPOCHS * epoch
    text = f'{EPOCHS} passes over {num_images} images, as in the papers'
    own = old.max_iters
    limit = "the model's own training"
    if own and mixed:
        own, limit = (max(FEWEST_ITERATIONS, own // 4), f'a quarter of {limit}: half of each batch are images it knows')
    most = min(MOST_ITERATIONS, own) if own else MOST_ITERATIONS
    if wanted > most:
        return Setting(most, f'{text}, cut to {limit if own and most == own else "a limit"}')
    if wanted < FEWEST_ITERATIONS:
        return Setting(FEWEST_ITERATIONS, f'{text}, would be {wanted}, but new classes need about {FEWEST_ITERATIONS}')
    return Setting(wanted, text)


def mixes(method: str, exemplars: int) -> bool:
    """Whether half of every batch are exemplars: there are some, and the method, by name or path, wants them so."""
    options = ReplayOptions.from_method(load_method(method).method)
    return exemplars > 0 and options is not None and options.mode == 'batch'


def extension_method(
    name: str, background: bool, exemplars: bool = False, structure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Loads a method and rejects one that does not fit, going by its slots and never by its name.

    Args:
        name: Its name or path.
        background: Whether the model has a background class.
        exemplars: Whether there are images of the old data that show every old class.
        structure: The slot that made layers of the model, with which the method must go on, or None.

    Raises:
        ConfigError: With the reason, and the methods that fit.
    """

    def unfit(config: Config) -> str | None:
        # Slots for a model of which nothing but its weights is known.
        alone, from_exemplars = (config.method.pop(key, {}) for key in EXTENSION_KEYS)
        if structure is not None:
            if (config.method.get('structure') or {}).get('type') != structure['type']:
                return f'it cannot go on with the layers of this model (method.structure: {structure["type"]})'
            config.merge_from_dict({'method': from_exemplars})
            config.method.structure.update(structure)
        elif exemplars:
            config.merge_from_dict({'method': from_exemplars})
        else:
            config.method.update(alone)
        return unfit_because(config, background, exemplars or structure is not None)

    config = load_method(name)
    reason = unfit(config)
    if reason:
        fitting = [item for item in method_names() if not unfit(load_method(item))]
        raise ConfigError(f'--method {name}: {reason}. Methods that can extend this model: {", ".join(fitting)}.')
    return config.method.to_dict()


def unfit_because(config: Config, background: bool, exemplars: bool = False) -> str | None:
    """Returns why a method cannot extend a finished model; None if it can. See :func:`extension_method`."""
    method = config.method
    if config.get('protocol'):
        return 'it changes the protocol (joint training needs all data)'
    if method.get('base'):
        return 'it shapes the training of the first classes too, which is over'
    if method.get('memory') and not exemplars:
        return 'it keeps images of earlier steps; give some of every old class (--exemplar-images, --exemplar-masks)'
    if not exemplars and getattr(class_of(STRUCTURES, method.get('structure')), 'solved', False):
        return (
            'it goes on from sums over the data of the first classes, which a model trained without it does not have; '
            'give images that show every old class (--exemplar-images)'
        )
    if not background and getattr(class_of(INITIALIZERS, method.get('initializer')), 'needs_background', False):
        return 'it starts new classes from the background, which this model does not have'
    if background and _labels_unlabelled(method):
        return 'it is for models without a background class'
    return None


def unlabelled_value(method: Mapping[str, Any], background: bool) -> int:
    """Returns the training label of pixels that show no new class.

    It is the background if there is one, else :data:`UNKNOWN` if the method's labeler reads that, else 255.
    """
    if background:
        return 0
    return UNKNOWN if _labels_unlabelled(method) else IGNORE


def _labels_unlabelled(method: Mapping[str, Any]) -> bool:
    return getattr(class_of(LABELERS, method.get('labeler')), 'labels_unlabelled', False)
