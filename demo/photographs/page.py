"""Tables and pictures of the demonstration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
from mmseg.apis import inference_model, init_model
from PIL import Image

from mmciss.evaluation.contact_sheet import colorize, palette_of
from mmciss.evaluation.markdown import duration, number, table
from mmciss.evaluation.plots import new_figure, save_figure, style
from photographs.folders import CLASSES, PALETTE, STAGES, seen
from photographs.plain import MODELS
from photographs.scores import iou

KINDS = {
    'base': 'before',
    'extended': '**extended**',
    'naive': 'naive fine-tuning',
    'everything': 'retrained on everything',
}


def files_of(out: Path, kind: str, stage: int) -> tuple[Path, Path]:
    """Returns config and checkpoint of a model."""
    if kind == 'extended':
        return out / f'extended_{stage}' / 'model_config.py', out / f'extended_{stage}' / 'model.pth'
    numbered = kind == 'naive' or (kind == 'everything' and stage < len(STAGES) - 1)
    folder = out / (f'{kind}_{stage}' if numbered else kind)
    return folder / 'config.py', folder / 'model.pth'


def seconds_of(out: Path, kind: str, stage: int) -> float:
    """Returns how long the training of a model took."""
    config, _ = files_of(out, kind, stage)
    if kind == 'extended':
        return float(json.loads((config.parent / 'step_1' / 'result.json').read_text(encoding='utf-8'))['seconds'])
    return float(json.loads((config.parent / 'seconds.json').read_text(encoding='utf-8')))


def row(values: Sequence[float], stage: int) -> list[str]:
    """Returns cells: every class, the mean of the first stage's classes, of later classes, and of all."""
    first = len(STAGES[0]) + 1
    known = len(seen(stage))
    later = values[first:known]
    means = [fmean(values[1:first]), fmean(later) if later else None, fmean(values[:known])]
    return [*(number(value) for value in values[:known]), *map(number, means)]


def stage_table(out: Path, stage: int, sets: Sequence[str] = ('on',)) -> str:
    """Writes the table of one model after one extension, of every second validation photograph or of more."""
    rows = []
    for kind, title in KINDS.items():
        paths = [out / f'{kind}_{name}_{stage}.json' for name in sets]
        if all(path.is_file() for path in paths):
            rows.append([title, *row(iou(*paths), stage), duration(seconds_of(out, kind, stage))])
    first = ', '.join(CLASSES[index] for index in STAGES[0])
    header = ['IoU in percent', *(CLASSES[index] for index in seen(stage)), first, 'new classes', 'all', 'training']
    return table(header, rows)


def pictures(out: Path, data: Path, path: Path, count: int = 5) -> None:
    """Draws photographs as each model segments them after the last extension.

    Shown are those with the most pixels of one class, one photograph for each of the last classes.

    Args:
        out: The models.
        data: Folder with ``images/`` and ``masks/``.
        path: The figure.
        count: How many photographs.
    """
    last = len(STAGES) - 1
    masks = {item.stem: cv2.imread(str(item), cv2.IMREAD_UNCHANGED) for item in sorted((data / 'masks').glob('*.png'))}
    chosen: list[str] = []
    for index in [*(index for new in STAGES[1:] for index in new), *STAGES[0]][:count]:
        share = {name: float((mask == index).mean()) for name, mask in masks.items() if name not in chosen}
        # Of the photographs with much of the class the median one: neither the easiest nor the hardest.
        much = sorted((name for name in share if share[name] > 0.15), key=share.get)
        chosen.append(much[len(much) // 2] if much else max(share, key=share.get))
    models = {
        title.strip('*').removesuffix(' on everything'): init_model(*map(str, files_of(out, kind, last)), device='cpu')
        for kind, title in KINDS.items()
    }
    figure = new_figure(1.25 * (2 + len(models)), 0.95 * len(chosen) + 0.5)
    colors = palette_of({'palette': PALETTE})
    with style():
        grid = figure.subplots(len(chosen), 2 + len(models), squeeze=False)
        for index, (line, name) in enumerate(zip(grid, chosen, strict=True)):
            photograph = cv2.imread(str(data / 'images' / f'{name}.jpg'))[..., ::-1].copy()
            columns: Mapping[str, np.ndarray | None] = {
                'photograph': None,
                'labels': masks[name],
                **{
                    title: inference_model(model, str(data / 'images' / f'{name}.jpg')).pred_sem_seg.data[0].numpy()
                    for title, model in models.items()
                },
            }
            for axes, (title, item) in zip(line, columns.items(), strict=True):
                axes.imshow(photograph if item is None else colorize(item.astype(np.uint8), photograph, colors, True))
                axes.set_axis_off()
                if index == 0:
                    axes.set_title(title, fontsize=7, loc='center', pad=3)
    save_figure(figure, path)
    with Image.open(path) as picture:  # few colours and a third of the bytes; dithered, or skies turn green
        full = picture.convert('RGB')
    small = full.quantize(palette=full.quantize(255), dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)


def write(out: Path, names: Sequence[str], counts: Mapping[str, int]) -> None:
    """Writes ``results.md`` and the pictures."""
    parts = [f'Images: {", ".join(f"{name} {count}" for name, count in counts.items())}.', '']
    for name in names:
        parts += [f'## {MODELS[name].title}', '']
        for stage in range(1, len(STAGES)):
            new = ' and '.join(CLASSES[index] for index in STAGES[stage])
            parts += [f'Extended by {new}:', '', stage_table(out / name, stage), '']
            parts += ['On all validation photographs:', '', stage_table(out / name, stage, ('on', 'on_others')), '']
        figure = f'extend_{name}.png'
        pictures(out / name, out / MODELS[name].data / f'val_{len(STAGES) - 1}', out / figure)
        parts += [f'![photographs as each model segments them](figures/{figure})', '']
    (out / 'results.md').write_text('\n'.join(parts), encoding='utf-8')
