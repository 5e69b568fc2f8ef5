"""What plain MMSegmentation gets from an extension: a config of the extended model and a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config, ConfigDict
from PIL import Image

from mmciss.engine.runner.export import RECORD, plain_config
from mmciss.errors import ConfigError
from mmciss.extend.old_model import OldModel
from mmciss.extend.pairs import Pair
from mmciss.extend.pipelines import plain_test_pipeline
from mmciss.protocols.labels import IGNORE
from mmciss.utils.files import write_atomically

Palette = Sequence[Sequence[int]]


def export_source(cfg: Config) -> Config:
    """Returns what :func:`~mmciss.engine.runner.export.plain_config` reads: the model and a plain test pipeline."""
    source = dict(model=cfg.model.to_dict(), test_dataloader=dict(dataset=dict(pipeline=plain_test_pipeline(cfg))))
    if cfg.get('data_preprocessor'):
        source['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    return Config(source)


def model_config(old: OldModel, names: Sequence[str], palette: Palette) -> Config:
    """Returns the config with which plain MMSegmentation runs the model with these classes."""
    meta = {'classes': list(names), 'palette': [list(colour) for colour in palette[: len(names)]]}
    cfg = plain_config(export_source(old.cfg), len(names), meta)
    imports = old.cfg.get('custom_imports')
    if imports and 'mmciss' not in str(imports.get('imports')):
        cfg.custom_imports = imports
    return cfg


def extended_config(
    old: OldModel, names: Sequence[str], palette: Palette, training: Config, dataset: dict[str, Any] | None
) -> Config:
    """Returns the extended model's config, with what a further extension needs.

    Args:
        old: The model.
        names: All classes.
        palette: Their colours.
        training: The training config.
        dataset: Config of the data set to test on, as :func:`write_test_set` returns it.
    """
    out = model_config(old, names, palette)
    if dataset is not None:
        meta = out.test_dataloader.dataset.metainfo
        out.test_dataloader.dataset = ConfigDict(**dataset, metainfo=meta, pipeline=out.test_pipeline)
    out.train_pipeline = training.train_dataloader.dataset.pipeline
    wrapper = old.cfg.get('optim_wrapper') or (old.cfg.get(RECORD) or {}).get('optim_wrapper')
    out[RECORD] = ConfigDict(optim_wrapper=wrapper, batch_size=int(training.train_dataloader.batch_size))
    return out


def write_config(cfg: Config, path: Path) -> None:
    """Writes a config as Python, atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(cfg.pretty_text, encoding='utf-8'))


def write_test_set(folder: Path, pairs: Sequence[Pair], table: Mapping[int, int]) -> dict[str, Any] | None:
    """Writes masks and a list of images, for testing the extended model with MMSegmentation's ``tools/test.py``.

    Args:
        folder: The folder for ``masks/`` and ``images.txt``.
        pairs: Images and masks.
        table: From ids in the masks to ids of the extended model, or 255.

    Returns:
        A config of ``BaseSegDataset`` without metainfo and pipeline; None if the images differ in suffix, which that
        data set does not support.

    Raises:
        ConfigError: If a mask cannot be written.
    """
    images = [Path(pair.image).resolve() for pair in pairs]
    suffixes = {path.suffix for path in images}
    if len(suffixes) != 1:
        return None
    root = commonpath([path.parent for path in images])
    lookup = np.full(256, IGNORE, dtype=np.uint8)
    lookup[list(table)] = list(table.values())
    names = [str(path.relative_to(root).with_suffix('')) for path in images]
    for name, pair in zip(names, pairs, strict=True):
        with Image.open(pair.mask) as mask:
            ids = lookup[np.asarray(mask).astype(np.uint8)]
        _write_mask(folder / 'masks' / f'{name}.png', ids)
    write_atomically(folder / 'images.txt', lambda path: path.write_text('\n'.join(names) + '\n', encoding='utf-8'))
    return dict(
        type='BaseSegDataset',
        ann_file=str(folder.resolve() / 'images.txt'),
        img_suffix=suffixes.pop(),
        seg_map_suffix='.png',
        data_prefix=dict(img_path=root, seg_map_path=str(folder.resolve() / 'masks')),
    )


def _write_mask(path: Path, ids: np.ndarray) -> None:
    done, encoded = cv2.imencode('.png', ids)
    if not done:
        raise ConfigError(f'--work-dir: the mask {path} cannot be written')
    write_atomically(path, lambda temporary: temporary.write_bytes(encoded.tobytes()))
