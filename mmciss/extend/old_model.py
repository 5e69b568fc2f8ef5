"""The model to extend: its config, weights, class names and colours, all checked."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from torch import Tensor, nn

from mmciss.datasets.image_files import Reader, readers_of_configs
from mmciss.engine.model_config import plain_model
from mmciss.engine.plain_config import without_mmciss
from mmciss.engine.runner.export import RECORD
from mmciss.errors import ConfigError, prefixed
from mmciss.extend.pipelines import DEFAULT_TEST_PIPELINE, with_labels
from mmciss.models.classifiers.head_config import heads_of, num_classes_of, segmentation_heads
from mmciss.models.classifiers.probe import WORKING_HEADS, find_growable
from mmciss.protocols.labels import BACKGROUND_NAMES
from mmciss.utils.blame import blaming
from mmciss.utils.checkpoints import read_checkpoint, read_plain_checkpoint
from mmciss.utils.configs import config_pipeline, dataset_configs, innermost_dataset, load_config


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

    @property
    def model(self) -> ConfigDict:
        """A copy of the model's own config, with its data preprocessor and without pretrained weights."""
        return plain_model(self.cfg.model, self.cfg.get('data_preprocessor'))

    @property
    def train_pipeline(self) -> list[dict[str, Any]] | None:
        """Its own training pipeline, which loads masks as they are; None if unknown."""
        own = config_pipeline(self.cfg, 'train')
        return None if own is None else with_labels(own)

    @property
    def test_pipeline(self) -> list[dict[str, Any]]:
        """Its test pipeline for plain MMSegmentation, with labels; without one, images stay as they are."""
        return with_labels(without_mmciss(config_pipeline(self.cfg, 'test') or list(DEFAULT_TEST_PIPELINE)))

    @property
    def readers(self) -> tuple[Reader | None, Reader | None]:
        """How its training pipeline decodes images and masks."""
        return readers_of_configs(self.train_pipeline or DEFAULT_TEST_PIPELINE)

    @property
    def optim_wrapper(self) -> Any:
        """The optimizer of the model's own training, which an extended model remembers; None if unknown."""
        wrapper = self.cfg.get('optim_wrapper') or self._record.get('optim_wrapper')
        if not wrapper and isinstance(self.cfg.get('optimizer'), Mapping):  # a config of MMSegmentation 0.x
            wrapper = dict(type='OptimWrapper', optimizer=self.cfg.optimizer)
        return wrapper

    @property
    def batch_size(self) -> int:
        """Images per iteration of the model's own training; 0 if unknown."""
        loader = self.cfg.get('train_dataloader') or {}
        return int(loader.get('batch_size') or self._record.get('batch_size') or 0)

    @property
    def _record(self) -> Mapping[str, Any]:
        """What a config that was exported here tells about training."""
        return self.cfg.get(RECORD) or {}


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
    with prefixed('MODEL_CONFIG'):
        cfg = copy.deepcopy(config) if isinstance(config, Config) else load_config(config)
    where = str(cfg.filename or 'MODEL_CONFIG')
    init_default_scope(cfg.get('default_scope') or 'mmseg')
    classes = check_heads(cfg.get('model'), where)
    with prefixed('CHECKPOINT'):
        weights = read_plain_checkpoint(checkpoint)
    built = build_plain(plain_model(cfg.model, cfg.get('data_preprocessor')), where)
    fitting = fitting_weights(built, weights, str(checkpoint), where)
    meta = read_checkpoint(checkpoint).get('meta')
    names, palette, named_by = class_names(meta, classes, dataset_configs(cfg))
    if background not in ('auto', 'yes', 'no'):
        raise ConfigError(f"--background: {background!r}; allowed: 'auto', 'yes', 'no'")
    has_background = background == 'yes' or (background == 'auto' and names[0].lower() in BACKGROUND_NAMES)
    return OldModel(cfg, where, str(checkpoint), fitting, names, named_by, palette, has_background)


def check_heads(model: ConfigDict | None, where: str) -> int:
    """Returns the number of classes, after checking that every head can grow.

    Raises:
        ConfigError: Naming the head and the heads that can.
    """
    if not model:
        raise ConfigError(f"MODEL_CONFIG: {where} has no key 'model'")
    if not any(key.startswith('model.decode_head') for key, _ in heads_of(model)):
        raise ConfigError(
            f'MODEL_CONFIG: {where}: model {model.get("type")} has no decode_head and cannot grow. '
            f'Heads that can: {WORKING_HEADS}.'
        )
    missing = 'a head cannot be built (is a package missing, or custom_imports in the config?)'
    with prefixed(f'MODEL_CONFIG: {where}'), blaming(missing, MODELS):
        growing = segmentation_heads(model)
        for key, head in growing:
            find_growable(head, key)
    return num_classes_of([head for key, head in growing if key.startswith('model.decode_head')][-1])


def growing_layers(model: dict[str, Any]) -> list[str]:
    """Returns the names of the layers whose rows are classes; those of the last decode head come last."""
    heads = sorted(segmentation_heads(model), key=lambda item: item[0].startswith('model.decode_head'))
    return [
        f'{key.removeprefix("model.").replace("[", ".").replace("]", "")}.{leaf}'
        for key, head in heads
        for leaf in find_growable(head, key)
    ]


def build_plain(model: ConfigDict, where: str) -> nn.Module:
    """Builds a model.

    Raises:
        ConfigError: If it cannot be built.
    """
    with blaming(f'MODEL_CONFIG: {where}: the model cannot be built', MODELS):
        return MODELS.build(model)


def fitting_weights(model: nn.Module, weights: dict[str, Tensor], checkpoint: str, config: str) -> dict[str, Tensor]:
    """Returns the weights of a checkpoint that the model has, in the model's order.

    Weights of an auxiliary head that the config leaves out are dropped, since such a head only serves training.

    Raises:
        ConfigError: If weights are missing, unexpected or of another shape.
    """
    own = model.state_dict()
    unknown = {name for name in weights if name not in own}
    dropped = set() if model.with_auxiliary_head else {name for name in unknown if name.startswith('auxiliary_head')}
    if dropped:
        print_log(
            f'{checkpoint}: {len(dropped)} weights of an auxiliary head that {config} does not have were left out.',
            logger='current',
        )
    wrong = {
        'missing in the checkpoint': {
            name for name in own if name not in weights and not name.endswith('num_batches_tracked')
        },
        'that the model does not have': unknown - dropped,
    }
    problems = [
        f'{len(names)} weights {what}, such as {", ".join(sorted(names)[:3])}' for what, names in wrong.items() if names
    ]
    shapes = [
        f'{name} is {tuple(weights[name].shape)} in the checkpoint and {tuple(tensor.shape)} in the model'
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
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


def class_names(
    meta: Any, num_classes: int, datasets: Mapping[str, Any] | None = None
) -> tuple[tuple[str, ...], tuple[Any, ...], str]:
    """Finds class names and colours in a checkpoint or else in data sets; otherwise classes are named by number.

    Args:
        meta: The key ``meta`` of the checkpoint, if it has one.
        num_classes: Number of classes; lists of another length are ignored.
        datasets: Configs of data sets by split, as :func:`mmciss.utils.configs.dataset_configs` returns them.

    Returns:
        The names, the colours (empty if unknown), and where they were found.
    """
    for source, facts in _candidates(meta if isinstance(meta, dict) else {}, datasets or {}):
        facts = facts if isinstance(facts, dict) else {}
        names = tuple(map(str, _listed(facts.get('classes'))))
        if len(names) == num_classes and len(set(names)) == num_classes:
            palette = [_listed(colour) for colour in _listed(facts.get('palette'))]
            known = len(palette) == num_classes and all(len(colour) == 3 for colour in palette)
            return names, tuple(tuple(map(int, colour)) for colour in palette) if known else (), source
    return tuple(f'class_{index}' for index in range(num_classes)), (), 'numbers, since no names were found'


def _candidates(meta: dict[str, Any], datasets: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields what may be a dictionary with ``classes`` and ``palette``, and where it is."""
    yield 'the checkpoint', meta.get('dataset_meta')
    yield 'the checkpoint', {str(key).lower(): value for key, value in meta.items()}
    for split, config in reversed(list(datasets.items())):  # test data first
        dataset = innermost_dataset(config)
        yield f'{split}_dataloader.dataset.metainfo', dataset.get('metainfo')
        kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else None
        yield f'the data set {dataset.get("type")}', getattr(kind, 'METAINFO', None)


def _listed(value: Any) -> list[Any]:
    """Returns the items of a list, tuple or array; none of anything else."""
    return list(value) if isinstance(value, list | tuple) or getattr(value, 'ndim', None) else []
