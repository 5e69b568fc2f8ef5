"""The model to extend: its config, weights, class names and colours, all checked."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.datasets.class_names import class_names
from mmciss.datasets.image_files import Reader, readers_of_configs
from mmciss.engine.model_config import plain_imports, plain_model, without_mmciss
from mmciss.engine.runner.export import RECORD
from mmciss.errors import ConfigError, prefixed
from mmciss.extend.pipelines import DEFAULT_TEST_PIPELINE, with_labels
from mmciss.models.classifiers.head_config import segmentor_classes
from mmciss.models.classifiers.probe import growing_layers
from mmciss.models.previous import check_fit, other_shapes
from mmciss.models.structures.structure import take_out_structure
from mmciss.protocols.labels import BACKGROUND_NAMES
from mmciss.utils.blame import blaming
from mmciss.utils.checkpoints import plain_weights, read_checkpoint
from mmciss.utils.configs import config_pipeline, dataset_configs, load_config
from mmciss.utils.files import load_tensors


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
        exported: Its model config if it has layers of mmciss, which ``cfg`` does not have; None otherwise.
        structure: The slot of a method (``method.structure``) that made these layers, or None.
        state: What the step that trained it left for the next one; empty without such layers.
    """

    cfg: Config
    config: str
    checkpoint: str
    weights: dict[str, Tensor]
    names: tuple[str, ...]
    named_by: str
    palette: tuple[tuple[int, int, int], ...]
    background: bool
    exported: ConfigDict | None = None
    structure: dict[str, Any] | None = None
    state: dict[str, Any] = field(default_factory=dict)

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
    def plain_source(self) -> Config:
        """What :func:`~mmciss.engine.runner.export.plain_config` reads: the model and a plain test pipeline."""
        return Config(dict(model=self.model.to_dict(), test_pipeline=self.test_pipeline))

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
    def max_iters(self) -> int:
        """Iterations of the model's own training; 0 if unknown."""
        return int((self.cfg.get('train_cfg') or {}).get('max_iters') or self._record.get('max_iters') or 0)

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
    with prefixed(f'MODEL_CONFIG: {where}'):
        if not cfg.get('model'):
            raise ConfigError("has no key 'model'")
    with prefixed('CHECKPOINT'):
        content = read_checkpoint(checkpoint)
        weights = plain_weights(content, checkpoint)
    state_file = Path(checkpoint).with_name('state.pth')
    # Beside a plain checkpoint, a file of that name is none of ours.
    ours = plain_imports(None, cfg.model, []) is not None
    state = load_tensors(state_file) if ours and state_file.is_file() else {}
    exported = copy.deepcopy(cfg.model)
    taken = take_out_structure(exported, weights, state)
    if taken is not None:
        cfg.model = taken.model
    lacking = 'a head cannot be built (is a package missing, or custom_imports in the config?)'
    with prefixed(f'MODEL_CONFIG: {where}'), blaming(lacking, MODELS):
        growing_layers(cfg.model)
        num_classes = segmentor_classes(cfg.model)
    exported = plain_model(exported, cfg.get('data_preprocessor'))
    with prefixed(f'MODEL_CONFIG: {where}'), blaming('the model cannot be built', MODELS):
        model = MODELS.build(exported)
    fitting = fitting_weights(model, weights, str(checkpoint), where)
    if taken is not None and not state.get('statistics'):
        raise ConfigError(
            f'CHECKPOINT: {checkpoint} has rows that were solved for; new ones are solved for from what its training '
            f'left in {state_file.name}, which is not beside it, or without them. Copy it there'
        )
    names, palette, named_by = class_names(content.get('meta'), num_classes, dataset_configs(cfg))
    if background not in ('auto', 'yes', 'no'):
        raise ConfigError(f"--background: {background!r}; allowed: 'auto', 'yes', 'no'")
    has_background = background == 'yes' or (background == 'auto' and names[0].lower() in BACKGROUND_NAMES)
    own = () if taken is None else (exported, taken.structure, {'statistics': state['statistics']})
    return OldModel(cfg, where, str(checkpoint), fitting, names, named_by, palette, has_background, *own)


def fitting_weights(model: Any, weights: dict[str, Tensor], checkpoint: str, config: str) -> dict[str, Tensor]:
    """Returns the weights of a checkpoint that the model has, in the model's order.

    Weights of an auxiliary head that the config leaves out are dropped, since such a head only serves training.

    Raises:
        ConfigError: If weights are missing, unexpected or of another shape.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights and not name.endswith('num_batches_tracked')]
    unexpected = [name for name in weights if name not in own]
    if not model.with_auxiliary_head:
        kept = [name for name in unexpected if not name.startswith('auxiliary_head')]
        if len(kept) < len(unexpected):
            print_log(
                f'{checkpoint}: {len(unexpected) - len(kept)} weights of an auxiliary head that {config} does not have '
                f'were left out.',
                logger='current',
            )
        unexpected = kept
    source = f'CHECKPOINT: {checkpoint} does not fit MODEL_CONFIG {config}'
    check_fit(model, missing, unexpected, other_shapes(model, weights), source)
    return {name: weights.get(name, tensor) for name, tensor in own.items()}
