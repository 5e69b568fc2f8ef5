"""Adds classes to a trained model: the Python call and the command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from mmciss.apis.command import command_parser, run_command
from mmciss.apis.overrides import CfgOptions, check_filled
from mmciss.errors import flag

if TYPE_CHECKING:
    from mmciss.extend.runner import Extension

DATA_FLAGS = {
    'images': 'folder of new images',
    'masks': 'folder of their masks: index or palette PNG; 1 to n are the new classes in the order of --classes, 0 is '
    'not labelled, 255 ignored; or what a labelling tool has exported: colour masks, labelme, COCO, CVAT, Label Studio',
    'data_config': 'instead of folders: a config of MMSegmentation with train_dataloader.dataset',
    'val_images': 'folder of validation images; without, a part of the new images is held out',
    'val_masks': 'folder of their masks: new classes, or the ids of the extended model',
    'old_val_config': 'a config of MMSegmentation whose test set has labels of the old classes',
    'exemplar_images': 'folder of a few images of the old data',
    'exemplar_masks': 'their masks, with ids of the model',
    'image_suffix': 'end of the names of images, such as _leftImg8bit.png',
    'mask_suffix': 'end of the names of masks',
}

DERIVED = '(default: by the config and the data)'
EXAMPLES = """examples:
  mmciss extend my_config.py my_checkpoint.pth --images new/images --masks new/masks \\
      --classes horse --work-dir work_dirs/with_horse"""


def extend(
    config: str | Path | Config,
    checkpoint: str | Path,
    images: str | Path | None = None,
    masks: str | Path | None = None,
    classes: Sequence[str] = (),
    work_dir: str | Path = 'work_dirs/extended',
    *,
    method: str | None = None,
    iters: int | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    crop_size: int | None = None,
    background: str = 'auto',
    seed: int = 0,
    resume: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    display: str = 'auto',
    **data: Any,
) -> Extension:
    """Adds classes to a trained model of MMSegmentation.

    Args:
        config: The model's config.
        checkpoint: Its weights.
        images: Folder of new images.
        masks: Folder of their masks; 1..n are the new classes in the order of ``classes``, 0 is not labelled. Or what a
            labelling tool has exported, see :mod:`mmciss.datasets.label_formats`.
        classes: Names of the new classes.
        work_dir: Where the extended model (``model_config.py``, ``model.pth``) and ``report.md`` go.
        method: A name out of ``configs/_base_/methods``; chosen by whether there is a background class if None.
        iters: Number of iterations; derived from the config and the data if None, as are the next three.
        lr: Learning rate.
        batch_size: Images per iteration.
        crop_size: Side of the training crops in pixels.
        background: Whether class 0 means 'none of the classes': ``'yes'``, ``'no'``, or ``'auto'``, by its name.
        seed: Seed of training and of what is held out.
        resume: Whether to continue an interrupted extension.
        cfg_options: Changes of the training config, by dotted keys.
        display: What is shown meanwhile: ``'auto'``, ``'live'``, ``'lines'``, ``'verbose'`` or ``'none'``.
        **data: Further fields of :class:`mmciss.extend.data.ExtensionData`, such as ``val_images``.

    Raises:
        ConfigError: If anything does not fit, before training starts.
        FileNotFoundError: If a file is missing.
    """
    import mmciss.register_all
    from mmciss.extend.data import ExtensionData
    from mmciss.extend.extension import ExtensionExperiment
    from mmciss.extend.old_model import read_old_model
    from mmciss.extend.runner import ExtensionRunner
    from mmciss.extend.settings import check_given

    given_data = ExtensionData(images=images, masks=masks, **data)
    given = check_given(method=method, iters=iters, lr=lr, batch_size=batch_size, crop_size=crop_size)
    old = read_old_model(config, checkpoint, background)
    experiment = ExtensionExperiment.resolve(old, classes, given_data, work_dir, given, seed, cfg_options)
    experiment.cfg.resume = resume
    return ExtensionRunner(experiment.cfg, experiment, display).run()


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = command_parser('Add classes to a trained MMSegmentation model', EXAMPLES)
    parser.add_argument('config', metavar='MODEL_CONFIG', help='config of the model')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its weights')
    parser.add_argument('--classes', nargs='+', required=True, metavar='NAME', help='names of the new classes')
    parser.add_argument('--work-dir', required=True, metavar='DIR', help='folder for the extended model and the report')
    for name, text in DATA_FLAGS.items():
        kind = {'config': 'FILE', 'suffix': 'TEXT', 'masks': 'PATH'}.get(name.rpartition('_')[2], 'DIR')
        parser.add_argument(flag(name), metavar=kind, help=text)
    parser.add_argument(
        '--mask-ids',
        default='auto',
        choices=['auto', 'new', 'final'],
        help='what the ids in masks are: new: 1 to n are the new classes; final: ids of the extended model; auto '
        '(default): whichever fits',
    )
    parser.add_argument('--holdout', type=float, default=0.2, help='share of new images to hold out (default 0.2)')
    parser.add_argument(
        '--background',
        default='auto',
        choices=['auto', 'yes', 'no'],
        help="whether class 0 means 'none of the classes' (default: by its name)",
    )
    parser.add_argument('--method', help='a method in configs/_base_/methods, or a path (default: chosen by the model)')
    parser.add_argument('--iters', type=int, help=f'number of iterations {DERIVED}')
    parser.add_argument('--lr', type=float, help=f'learning rate {DERIVED}')
    parser.add_argument('--batch-size', type=int, help=f'images per iteration {DERIVED}')
    parser.add_argument('--crop-size', type=int, metavar='PIXELS', help=f'side of the training crops {DERIVED}')
    parser.add_argument('--seed', type=int, default=0, help='random seed')
    parser.add_argument('--device', help="'cpu', 'cuda' or 'cuda:1' (default: a GPU if there is one)")
    parser.add_argument('--resume', action='store_true', help='continue an interrupted extension')
    parser.add_argument(
        '--verbose',
        dest='display',
        action='store_const',
        const='verbose',
        default='auto',
        help='print the whole log of mmengine',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='override settings of the training config',
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; wrong input ends with one line instead of a traceback."""
    args = vars(parse_args(arguments))

    def work() -> None:
        from mmciss.utils.environment import use_device

        check_filled(args, {'config': 'MODEL_CONFIG', 'checkpoint': 'CHECKPOINT'})
        use_device(args.pop('device'))
        extend(**args)

    return run_command(work)
