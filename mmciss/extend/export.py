"""What plain MMSegmentation gets from an extension: a config of the extended model and a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os.path import commonpath
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from PIL import Image

from mmciss.engine.runner.export import RECORD, plain_config
from mmciss.extend.old_model import OldModel
from mmciss.extend.pairs import Pair
from mmciss.protocols.labels import IGNORE
from mmciss.utils.files import write_atomically, write_text

Palette = Sequence[Sequence[int]]


def export_source(old: OldModel) -> Config:
    """Returns what :func:`~mmciss.engine.runner.export.plain_config` reads: the model and a plain test pipeline."""
    return Config(dict(model=old.model.to_dict(), test_pipeline=old.test_pipeline))


def model_config(old: OldModel, names: Sequence[str], palette: Palette) -> Config:
    """Returns the config with which plain MMSegmentation runs the model with these classes."""
    meta = {'classes': list(names), 'palette': [list(colour) for colour in palette[: len(names)]]}
    cfg = plain_config(export_source(old), len(names), meta)
    imports = old.cfg.get('custom_imports')
    if imports and 'mmciss' not in str(imports.get('imports')):
        cfg.custom_imports = imports
    return cfg


def extended_config(
    old: OldModel, names: Sequence[str], palette: Palette, training: Config, dataset: dict[str, Any] | None
) -> Config:
    """Returns the extended model's config with a data set to test on, and with what a further extension needs."""
    out = model_config(old, names, palette)
    if dataset is not None:
        meta = out.test_dataloader.dataset.metainfo
        out.test_dataloader.dataset = ConfigDict(**dataset, metainfo=meta, pipeline=out.test_pipeline)
    loader = training.train_dataloader
    out.train_pipeline = loader.dataset.pipeline
    out[RECORD] = ConfigDict(optim_wrapper=old.optim_wrapper, batch_size=int(loader.batch_size))
    return out


def write_test_set(folder: Path, pairs: Sequence[Pair], table: Mapping[int, int]) -> dict[str, Any] | None:
    """Writes masks and a list of images, for testing the extended model with MMSegmentation's ``tools/test.py``.

    ``table`` leads from ids in the masks to ids of the extended model, or 255.

    Returns:
        A config of ``BaseSegDataset`` without metainfo and pipeline; None if the images differ in suffix, which that
        data set does not support.
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
            ids = Image.fromarray(lookup[np.asarray(mask).astype(np.uint8)])
        write_atomically(folder / 'masks' / f'{name}.png', partial(ids.save, format='PNG'))
    write_text(folder / 'images.txt', '\n'.join(names) + '\n')
    return dict(
        type='BaseSegDataset',
        ann_file=str(folder.resolve() / 'images.txt'),
        img_suffix=suffixes.pop(),
        seg_map_suffix='.png',
        data_prefix=dict(img_path=root, seg_map_path=str(folder.resolve() / 'masks')),
    )
