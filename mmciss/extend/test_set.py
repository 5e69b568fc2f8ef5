"""A test set for plain MMSegmentation: validation masks with the ids of the extended model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.extend.pairs import Pair
from mmciss.utils.files import write_atomically


def write_test_set(folder: Path, pairs: Sequence[Pair], table: Mapping[int, int]) -> dict | None:
    """Writes masks and a list, such that MMSegmentation's ``tools/test.py`` can run the extended model.

    Args:
        folder: Where ``masks/`` and ``images.txt`` go.
        pairs: Images and masks.
        table: Id in the mask to id of the extended model, or 255.

    Returns:
        A config of ``BaseSegDataset`` without metainfo and pipeline; None if the images have no common kind of name.
    """
    suffixes = {Path(pair.image).suffix for pair in pairs}
    if len(suffixes) != 1:
        return None
    roots = [str(Path(pair.image).resolve().parent) for pair in pairs]
    root = Path(_common(roots))
    lookup = np.full(256, 255, dtype=np.uint8)
    lookup[list(table)] = list(table.values())
    names = []
    for pair in pairs:
        name = str(Path(pair.image).resolve().relative_to(root).with_suffix(''))
        with Image.open(pair.mask) as mask:
            ids = lookup[np.asarray(mask).astype(np.uint8)]
        _write_mask(folder / 'masks' / f'{name}.png', ids)
        names.append(name)
    write_atomically(folder / 'images.txt', lambda path: path.write_text('\n'.join(names) + '\n', encoding='utf-8'))
    return dict(
        type='BaseSegDataset',
        ann_file=str(folder.resolve() / 'images.txt'),
        img_suffix=suffixes.pop(),
        seg_map_suffix='.png',
        data_prefix=dict(img_path=str(root), seg_map_path=str(folder.resolve() / 'masks')),
    )


def _common(folders: Sequence[str]) -> str:
    parts = [Path(folder).parts for folder in folders]
    length = 0
    while all(len(item) > length and item[: length + 1] == parts[0][: length + 1] for item in parts):
        length += 1
    return str(Path(*parts[0][:length]))


def _write_mask(path: Path, ids: np.ndarray) -> None:
    ok, encoded = cv2.imencode('.png', ids)
    if not ok:
        raise ConfigError(f'--work-dir: the mask {path} cannot be written')
    write_atomically(path, lambda temporary: temporary.write_bytes(encoded.tobytes()))
