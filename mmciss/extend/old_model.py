"""The model to extend: its config, weights, class names and colours, all checked."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from torch import Tensor, nn

from mmciss.engine.model_config import strip_pretrained
from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import heads_of, num_classes_of, segmentation_heads
from mmciss.models.classifiers.probe import WORKING_HEADS, find_growable
from mmciss.utils.checkpoints import read_checkpoint, read_plain_checkpoint
from mmciss.utils.configs import load_config

BACKGROUND_NAMES = ('background', '_background_', '__background__', 'bg')
"""Names of class 0 that mean 'none of the classes'; compared in lower case."""


@dataclass(frozen=True)
class OldModel:
    """A trained model of plain MMSegmentation.

    Attributes:
        cfg: Its whole config.
        config: Path of that config.
        checkpoint: Path of the weights.
        weights: The weights, exactly those of the model.
        names: Class names by id.
        named_by: Where the names were found.
        palette: Colours by id, ``(C, 3)``; empty if unknown.
        background: Whether class 0 is the background.
    """

    cfg: Config
    config: str
    checkpoint: str
    weights: dict[str, Tensor]
    names: tuple[str, ...]
    named_by: str
    palette: tuple[tuple[int, int, int], ...]
    background: bool

    @property
    def num_classes(self) -> int:
        """Number of classes, the background included."""
        return len(self.names)


def read_old_model(config: str | Path | Config, checkpoint: str | Path, background: str = 'auto') -> OldModel:
    """Reads a model and checks that it can be extended.

    Args:
        config: An MMSegmentation config.
        checkpoint: Its weights.
        background: Whether class 0 means 'none of the classes': ``'yes'``, ``'no'``, or ``'auto'``, by its name.

    Raises:
        ConfigError: If the model cannot be built, its heads cannot grow, or the weights do not fit.
        FileNotFoundError: If a file is missing.
    """
    cfg = copy.deepcopy(config) if isinstance(config, Config) else _read_config(config)
    where = str(cfg.filename or 'MODEL_CONFIG')
    init_default_scope(cfg.get('default_scope') or 'mmseg')
    classes = check_heads(cfg, where)
    try:
        weights = read_plain_checkpoint(checkpoint)
    except ValueError as error:
        raise ConfigError(f'CHECKPOINT: {error}') from error
    fitting = fitting_weights(build_plain(cfg, where), weights, str(checkpoint), where)
    names, palette, named_by = class_names(cfg, read_checkpoint(checkpoint).get('meta'), classes)
    if background not in ('auto', 'yes', 'no'):
        raise ConfigError(f"--background: {background!r}; allowed: 'auto', 'yes', 'no'")
    has_background = background == 'yes' or (background == 'auto' and names[0].lower() in BACKGROUND_NAMES)
    return OldModel(cfg, where, str(checkpoint), fitting, names, named_by, palette, has_background)


def _read_config(path: str | Path) -> Config:
    try:
        return load_config(path)
    except ConfigError as error:
        raise ConfigError(f'MODEL_CONFIG: {error}') from error


def check_heads(cfg: Config, where: str) -> int:
    """Returns the number of classes, after checking that every head can grow.

    Raises:
        ConfigError: Naming the head and the heads that can.
    """
    if not cfg.get('model'):
        raise ConfigError(f"MODEL_CONFIG: {where} has no key 'model'")
    heads = list(heads_of(cfg.model))
    if not any(key.startswith('model.decode_head') for key, _ in heads):
        raise ConfigError(
            f'MODEL_CONFIG: {where}: model {cfg.model.get("type")} has no decode_head and cannot grow. '
            f'Heads that can: {WORKING_HEADS}.'
        )
    try:
        growing = segmentation_heads(cfg.model)
        for key, head in growing:
            find_growable(head, key)
    except ConfigError as error:
        raise ConfigError(f'MODEL_CONFIG: {where}: {error}') from error
    except Exception as error:  # a user's head may raise anything
        raise ConfigError(
            f'MODEL_CONFIG: {where}: a head cannot be built ({error}); is a package missing, or '
            f'custom_imports in the config?'
        ) from error
    main = [head for key, head in growing if key.startswith('model.decode_head')][-1]
    return num_classes_of(main)


def growing_layers(model: dict[str, Any]) -> list[str]:
    """Returns the names of the layers whose rows are classes; those of the last decode head come last."""
    heads = sorted(segmentation_heads(model), key=lambda item: item[0].startswith('model.decode_head'))
    return [
        f'{key.removeprefix("model.").replace("[", ".").replace("]", "")}.{leaf}'
        for key, head in heads
        for leaf in find_growable(head, key)
    ]


def build_plain(cfg: Config, where: str) -> nn.Module:
    """Builds the plain model without pretrained weights.

    Raises:
        ConfigError: If it cannot be built.
    """
    try:
        return MODELS.build(plain_model(cfg))
    except Exception as error:  # a user's model may raise anything
        raise ConfigError(f'MODEL_CONFIG: {where}: the model cannot be built: {error}') from error


def plain_model(cfg: Config) -> ConfigDict:
    """Returns the model's config with its data preprocessor and without pretrained weights."""
    model = copy.deepcopy(cfg.model)
    strip_pretrained(model)
    if cfg.get('data_preprocessor') and not model.get('data_preprocessor'):
        model['data_preprocessor'] = copy.deepcopy(cfg.data_preprocessor)
    return model


def fitting_weights(model: nn.Module, weights: dict[str, Tensor], checkpoint: str, config: str) -> dict[str, Tensor]:
    """Returns the weights of a checkpoint that the model has, in the model's order.

    Weights of an auxiliary head that the config leaves out are dropped, since such a head only serves training.

    Raises:
        ConfigError: If weights are missing, unexpected or of another shape.
    """
    own = model.state_dict()
    extra = [name for name in weights if name not in own]
    dropped = [name for name in extra if name.startswith('auxiliary_head') and not model.with_auxiliary_head]
    if dropped:
        print_log(
            f'{checkpoint}: {len(dropped)} weights of an auxiliary head that {config} does not have were left out.',
            logger='current',
        )
    extra = sorted(set(extra) - set(dropped))
    missing = sorted(name for name in own if name not in weights and not name.endswith('num_batches_tracked'))
    shapes = [
        f'{name} is {tuple(weights[name].shape)} in the checkpoint and {tuple(tensor.shape)} in the model'
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    problems = [
        f'{len(names)} weights {word}, such as {", ".join(names[:3])}'
        for names, word in ((missing, 'missing in the checkpoint'), (extra, 'that the model does not have'))
        if names
    ]
    if shapes:
        # The classifiers come last in the model and tell most: how many classes the checkpoint has.
        problems.append(f'{len(shapes)} of another shape: {"; ".join(shapes[-2:])}')
    if problems:
        raise ConfigError(
            f'CHECKPOINT: {checkpoint} does not fit MODEL_CONFIG {config}: {". ".join(problems)}. It must '
            f'come from the same architecture with the same number of classes.'
        )
    return {name: weights.get(name, tensor) for name, tensor in own.items()}


def class_names(cfg: Config, meta: Any, num_classes: int) -> tuple[tuple[str, ...], tuple[Any, ...], str]:
    """Finds class names and colours in the checkpoint or else the config; otherwise classes are named by number.

    Args:
        cfg: The model's config.
        meta: The key ``meta`` of the checkpoint, if it has one.
        num_classes: Number of classes; lists of another length are ignored.

    Returns:
        The names, the colours (empty if unknown), and where they were found.
    """
    for found, source in _candidates(cfg, meta if isinstance(meta, dict) else {}):
        names = tuple(map(str, _listed(found.get('classes'))))
        if len(names) == num_classes and len(set(names)) == num_classes:
            colours = [_listed(colour) for colour in _listed(found.get('palette'))]
            known = len(colours) == num_classes and all(len(colour) == 3 for colour in colours)
            palette = tuple(tuple(map(int, colour)) for colour in colours) if known else ()
            return names, palette, source
    return tuple(f'class_{index}' for index in range(num_classes)), (), 'numbers, since no names were found'


def _listed(value: Any) -> list[Any]:
    """Returns the items of a list, tuple or array; none of anything else."""
    return list(value) if isinstance(value, list | tuple) or getattr(value, 'ndim', None) else []


def _candidates(cfg: Config, meta: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    lowered = {str(key).lower(): value for key, value in meta.items()}
    described = meta.get('dataset_meta')
    found = [
        (dict(described) if isinstance(described, dict) else {}, 'the checkpoint'),
        (dict(classes=lowered.get('classes'), palette=lowered.get('palette')), 'the checkpoint'),
    ]
    for split in ('test', 'val', 'train'):
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset') or {}
        while 'dataset' in dataset or 'datasets' in dataset:
            dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
        metainfo = dataset.get('metainfo')
        if isinstance(metainfo, dict):
            found.append((dict(metainfo), f'{split}_dataloader.dataset.metainfo'))
        kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else None
        if kind is not None:
            found.append((dict(getattr(kind, 'METAINFO', {})), f'the data set {dataset["type"]}'))
    return found
