"""Draws the shapes data set into a folder, which training on shapes does by itself when it first runs.

python tools/make_shapes.py data/shapes
"""

from __future__ import annotations

import argparse

from mmciss.utils.environment import import_quietly, quiet_third_parties

quiet_third_parties()
import_quietly()

from mmciss.datasets.shapes import ShapesSpec, ensure_shapes
from mmciss.errors import ConfigError

NUMBERS = {
    'seed': 'random seed',
    'train': 'number of training pictures',
    'val': 'number of validation pictures',
    'side': 'side of a picture in pixels',
}


def main() -> None:
    """Parses the command line and draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', nargs='?', default='data/shapes', help='folder to make (default: data/shapes)')
    for key, text in NUMBERS.items():
        default = getattr(ShapesSpec(), key)
        parser.add_argument(f'--{key}', type=int, default=default, metavar='N', help=f'{text} (default: {default})')
    arguments = vars(parser.parse_args())
    try:
        root = ensure_shapes(**arguments)
    except ConfigError as error:
        parser.error(str(error))
    print(f'The shapes data set is in {root}')


if __name__ == '__main__':
    main()
