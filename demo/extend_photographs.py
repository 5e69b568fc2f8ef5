"""Extends models on photographs, twice, and compares with naive fine-tuning and with retraining on everything.

    MMCISS_VOC6=.../VOCdevkit/VOC2012 MMCISS_MBV2=.../mobilenet_v2.pth python demo/extend_photographs.py --out OUT

A model of plain MMSegmentation learns cat, cow and dog; then ``mmciss.apis.extend`` adds horse, then person and sheep,
each from photographs in which only the new classes are labelled. What was done before an interruption is not done
again. ``OUT/results.md`` and ``OUT/*.png`` are what docs/extend_results.md shows.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from photographs import page, plain, scores
from photographs.folders import CLASSES, STAGES, join, seen, write_folders, write_some

from mmciss.apis import extend


def run_model(name: str, data: Path, out: Path, weights: str, args: argparse.Namespace) -> None:
    """Trains, extends, fine-tunes and retrains one model, and tests everything.

    Args:
        name: One of :data:`photographs.plain.MODELS`.
        data: The folders of :func:`photographs.folders.write_folders`.
        out: Where the models go.
        weights: ImageNet weights of the backbone.
        args: The options of the command line.
    """
    recipe = plain.MODELS[name]
    if args.iters:
        recipe = replace(recipe, iterations=args.iters, more=None)

    def trained(
        folder: str, images: str, stage: int, count: int, start: Path | None = None, factor: float = 1.0
    ) -> tuple[Path, Path]:
        cfg = plain.config(recipe, weights, data / images, len(seen(stage)), count, out / folder, factor)
        checkpoint = plain.train(cfg, start)
        return out / folder / 'config.py', checkpoint

    base = trained('base', 'base', 0, recipe.iterations)
    models = {('base', stage): base for stage in range(len(STAGES))}
    extended = naive = base
    for stage, new in enumerate(STAGES[1:], start=1):
        folder = out / f'extended_{stage}'
        images, old = data / f'new_{stage}', {}
        if args.new_images:
            images = write_some(images, data, args.new_images, seed=1)
        if args.exemplars and not (extended[0].parent / 'state.pth').is_file():  # else it goes on from its sums
            known = [data / 'base', *(data / f'naive_{before}' for before in range(1, stage))]
            parts = [write_some(part, data, args.exemplars, seed=0) for part in known]
            some = join(parts, data / f'kept_{args.exemplars}_{stage}')
            old = dict(exemplar_images=some / 'images', exemplar_masks=some / 'masks')
        extend(
            *extended,
            images / 'images',
            images / 'masks',
            [CLASSES[index] for index in new],
            folder,
            method=args.method,
            iters=recipe.more,
            resume=True,
            val_images=data / f'few_{stage}' / 'images',
            val_masks=data / f'few_{stage}' / 'masks',
            **old,
        )
        extended = folder / 'model_config.py', folder / 'model.pth'
        # A tenth of the learning rate, as the extension.
        naive = trained(f'naive_{stage}', f'naive_{stage}', stage, recipe.more or 500, naive[1], 0.1)
        models[('extended', stage)], models[('naive', stage)] = extended, naive
    last = len(STAGES) - 1
    for stage in range(1 if recipe.more is None else last, last + 1):
        folder = 'everything' if stage == last else f'everything_{stage}'
        models[('everything', stage)] = trained(folder, folder, stage, recipe.retraining(stage))
    for (kind, stage), (config, checkpoint) in models.items():
        for name, folder in (('on', 'val'), ('on_others', 'others')):
            path = out / f'{kind}_{name}_{stage}.json'
            scores.count(path, config, checkpoint, data / f'{folder}_{stage}', len(seen(stage)))


def main() -> None:
    """Runs the chosen models and writes the page's tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=list(plain.MODELS), help='models; all if left out')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/extend_photographs'), help='folder to write into')
    parser.add_argument('--method', help='how to extend; left to mmciss if left out')
    parser.add_argument(
        '--iters',
        type=int,
        help='iterations of the model to start from; retraining gets 500 more per extension, extensions what mmciss '
        'gives them (default: a few hundred, see demo/photographs/plain.py)',
    )
    parser.add_argument(
        '--exemplars', type=int, help='photographs of each earlier stage that an extension gets, if it needs any'
    )
    parser.add_argument('--new-images', type=int, help='photographs that an extension gets (default: all)')
    args = parser.parse_args()
    source, counts = Path(os.environ['MMCISS_VOC6']), {}
    for name in args.names:
        data = args.out / plain.MODELS[name].data
        counts = write_folders(source, data, plain.MODELS[name].short_side)
        run_model(name, data, args.out / name, os.environ['MMCISS_MBV2'], args)
    page.write(args.out, args.names, counts)


if __name__ == '__main__':
    main()
