"""Converts what labelling tools export into palette PNG masks, and shows what was understood.

Read are colour masks with a table of colours (CVAT's 'segmentation mask', class_dict.csv),
labelme, COCO, 'CVAT for images 1.1' and Label Studio's JSON.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmciss.apis.command import START_OVER, command_parser, run_command

if TYPE_CHECKING:
    from mmciss.datasets.label_formats import Conversion

EXAMPLES = """examples:
  mmciss convert annotations.xml --images photographs --out data/warehouse
  mmciss convert instances_train.json --images train --out data/train --classes shelf box forklift"""
MOST_PICTURES = 12
PAGE = 12.0
"""Inches that the pictures of the overview take beside each other."""
SIDE = 400
"""Longer side of a picture of the overview, in pixels."""


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = command_parser(__doc__, EXAMPLES)
    parser.add_argument('export', metavar='EXPORT', help='file or folder that the labelling tool has written')
    parser.add_argument('--images', required=True, metavar='DIR', help='folder of the images')
    parser.add_argument('--out', required=True, metavar='DIR', help='new folder for the masks')
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='the classes in the order of ids (default: as in the export)'
    )
    parser.add_argument(
        '--no-background',
        dest='background',
        action='store_false',
        help='there is no background class: ids start at 0, and pixels without a label are ignored (255)',
    )
    parser.add_argument(
        '--keep-empty', action='store_true', help='keep images without labels, as images that show no class'
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Converts, and prints what was understood."""
    args = parse_args(arguments)

    def work() -> None:
        from mmciss.utils.environment import import_quietly

        import_quietly()
        from mmciss.datasets.label_formats import convert_labels, open_export
        from mmciss.engine.runner.launch import check_work_dir

        check_work_dir(args.out, '--out')
        conversion = convert_labels(
            open_export(args.export), args.images, args.out, args.classes, args.background, args.keep_empty
        )
        write_overview(conversion)
        lines = [*conversion.lines(), '', f'Masks, images.txt and classes.txt are in {conversion.folder}.']
        sys.stdout.write('\n'.join([*lines, f'Look at {conversion.folder / "overview.png"} before you train.\n']))

    return run_command(work, START_OVER)


def write_overview(conversion: Conversion) -> None:
    """Draws a few images with their labels, chosen to show as many classes as possible, to ``overview.png``."""
    import numpy as np
    from PIL import Image

    from mmciss.datasets.image_files import IMAGES, MASKS
    from mmciss.datasets.label_formats.convert import PALETTE
    from mmciss.evaluation.contact_sheet import picture_grid

    shown: set[int] = set()
    chosen: list[tuple[float, str, tuple[np.ndarray, list[np.ndarray]]]] = []
    left = list(conversion.pairs)
    while left and len(chosen) < MOST_PICTURES:
        found = [set(np.unique(MASKS.decode(mask)).tolist()) for _, mask in left[:200]]
        best = max(range(len(found)), key=lambda index: len(found[index] - shown))
        shown |= found[best]
        image, mask = left.pop(best)
        photograph, labels = IMAGES.decode(image)[..., ::-1], MASKS.decode(mask)
        size = (np.array(labels.shape[::-1]) * min(1, SIDE / max(labels.shape))).astype(int).clip(1).tolist()
        small = np.asarray(Image.fromarray(photograph).resize(size))
        row = small, [np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))]
        chosen.append((size[1] / size[0], Path(image).name, row))
    heights, captions, rows = zip(
        *sorted(chosen, key=lambda item: item[0]), strict=True
    )  # equal ones beside each other
    background, across = conversion.names[0] == 'background', images_across(heights)
    width = min(4.0, PAGE / (2 * across))
    figure = picture_grid(rows, ('image', 'labels'), conversion.names, PALETTE, background, width, across, captions)
    figure.savefig(conversion.folder / 'overview.png', dpi=120)


def images_across(heights: Sequence[float]) -> int:
    """Returns how many images, each with its labels, stand beside each other so that the picture is about square.

    Args:
        heights: The height of every image as a multiple of its width.

    Examples:
        >>> images_across([0.75]), images_across([0.75] * 7), images_across([1.5] * 12)
        (1, 2, 3)
    """

    def from_square(across: int) -> float:
        lines = [heights[start : start + across] for start in range(0, len(heights), across)]
        return abs(math.log(sum(map(max, lines)) / (2 * across)))

    return min(range(1, len(heights) + 1), key=from_square)


if __name__ == '__main__':
    sys.exit(main())
