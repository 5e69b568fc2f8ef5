"""Pairs of image and mask listed in a file; each source of pairs has its own meaning of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os.path import commonpath
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmciss.datasets.image_pairs import naming_broken_files
from mmciss.datasets.samplers import DrawnIndex
from mmciss.datasets.seeding import seeded
from mmciss.errors import ConfigError
from mmciss.protocols.labels import IGNORE
from mmciss.utils.files import read_json, write_atomically, write_json, write_text


@DATASETS.register_module()
class PairDataset(BaseSegDataset):
    """Listed pairs, labelled with the channels of a model.

    If an index comes from :class:`mmciss.datasets.samplers.IncrementalInfiniteSampler`, the pipeline's random
    numbers depend only on the seed and the index's place in the stream.

    Args:
        manifest: File from :func:`write_manifest`.
        classes: Names of the channels.
        palette: Their colours.
        step_index: Which stream of the sampler this is.
        num_exemplars: How many pairs at the end of the list are stored images, which are not counted in the length:
            :class:`mmciss.datasets.samplers.ReplaySampler` draws them.
        **kwargs: As for ``BaseSegDataset``.

    Raises:
        ConfigError: If the file is missing or damaged.
    """

    def __init__(
        self,
        manifest: str,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]],
        step_index: int = 1,
        num_exemplars: int = 0,
        **kwargs: Any,
    ) -> None:
        self.manifest = manifest
        self.step_index = step_index
        self.num_exemplars = num_exemplars
        super().__init__(metainfo=dict(classes=tuple(classes), palette=[list(colour) for colour in palette]), **kwargs)

    @property
    def num_current(self) -> int:
        """Number of the images before the stored ones."""
        return len(self)

    def __len__(self) -> int:
        return super().__len__() - self.num_exemplars

    def load_data_list(self) -> list[dict[str, Any]]:
        """Reads the list."""
        content = read_json(self.manifest)
        if not isinstance(content, dict) or 'pairs' not in content:
            raise ConfigError(f'PairDataset.manifest: {self.manifest} is missing or damaged')
        tables = [{int(raw): label for raw, label in table.items()} for table in content['tables']]
        return [
            dict(img_path=image, seg_map_path=mask, label_map=tables[table], reduce_zero_label=False, seg_fields=[])
            for image, mask, table in content['pairs']
        ]

    def prepare_data(self, idx: int) -> Any:
        """Returns one image through the pipeline.

        Raises:
            BrokenSampleError: If one of its files is broken.
        """
        with naming_broken_files(self, idx):
            return super().prepare_data(idx)

    def __getitem__(self, index: int) -> Any:
        """Returns one image through the pipeline."""
        if not isinstance(index, DrawnIndex):
            return super().__getitem__(index)
        with seeded(index.seed, index.draw):
            return super().__getitem__(int(index))


def write_manifest(path: str | Path, sources: Sequence[tuple[Sequence[tuple[str, str]], Mapping[int, int]]]) -> None:
    """Writes the list that :class:`PairDataset` reads.

    Args:
        path: The file.
        sources: For each source its pairs (image, mask) and its table from ids in the masks to channels.
    """
    # Ids that stay as they are need no entry; the loader goes through the table entry by entry.
    tables = [{str(raw): int(label) for raw, label in table.items() if raw != label} for _, table in sources]
    pairs = [[image, mask, number] for number, (items, _) in enumerate(sources) for image, mask in items]
    write_json(path, {'tables': tables, 'pairs': pairs})


def write_plain_dataset(
    folder: Path, pairs: Sequence[tuple[str, str]], table: Mapping[int, int]
) -> dict[str, Any] | None:
    """Writes masks and a list of images as a data set of plain MMSegmentation, which has one table of ids for all.

    Args:
        folder: Where.
        pairs: The pairs (image, mask).
        table: From ids in the masks to channels, or 255.

    Returns:
        A config of ``BaseSegDataset`` without metainfo and pipeline; None if the images differ in suffix or have names
        that begin or end with a space, which that data set does not support.
    """
    images = [Path(image).resolve() for image, _ in pairs]
    suffixes = {path.suffix for path in images}
    if len(suffixes) != 1:
        return None
    root = commonpath([path.parent for path in images])
    if any((name := str(path.relative_to(root).with_suffix(''))) != name.strip() for path in images):
        return None
    lookup = np.full(256, IGNORE, dtype=np.uint8)
    lookup[list(table)] = list(table.values())
    names = [str(path.relative_to(root).with_suffix('')) for path in images]
    for name, (_, path) in zip(names, pairs, strict=True):
        with Image.open(path) as mask:
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
