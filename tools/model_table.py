"""Writes ``docs/models.md``: which model families of MMSegmentation and mmpretrain work, tried on tiny versions.

    python tools/model_table.py               # all of them, about ten minutes
    python tools/model_table.py fcn segformer # only these rows; the others stay as they are
    python tools/model_table.py maskformer mask2former --operation-stand-ins  # with MMDetection installed
    python tools/model_table.py timm.resnet10t --operation-stand-ins          # with timm and torchvision installed

It needs a checkout, since the tiny models belong to the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()


def main() -> int:
    """Runs the chosen rows and writes the page."""
    from tests.models import mmcv_operations

    if '--operation-stand-ins' in sys.argv:  # before anything imports the real ones
        mmcv_operations.offer()
        mmcv_operations.declare_torchvision()
    from tests.models import zoo, zoo_page

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', help='rows to run; all if left out')
    parser.add_argument(
        '--operation-stand-ins',
        action='store_true',
        help='import MMDetection and timm, if installed, although mmcv has no compiled operations or the build of '
        'torchvision does not fit; for rows that call none of these operations on a CPU',
    )
    parser.add_argument('--out', default=str(ROOT / 'docs' / 'models.md'), help='the page')
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(zoo.cases())):
        parser.error(f'no row {", ".join(unknown)}; allowed: {", ".join(zoo.cases())}')
    out = Path(args.out)
    known, failed = {}, []
    if args.names and out.is_file():
        known = zoo_page.read_rows(out.read_text(encoding='utf-8'))
    for name in args.names or zoo.cases():
        try:
            with tempfile.TemporaryDirectory() as folder:
                known[name] = zoo.run(name, Path(folder))
        except Exception:  # a bug, which should not cost the other rows
            sys.stderr.write(f'{name}: failed\n{traceback.format_exc()}')
            failed.append(name)
            continue
        sys.stderr.write(f'{name}: {known[name].result} {known[name].reason}\n')
        # After each row, so that an interrupted run loses nothing.
        out.write_text(zoo_page.page([known[item] for item in zoo.cases() if item in known]), encoding='utf-8')
    if failed:
        sys.stderr.write(f'failed, and left out of the page: {", ".join(failed)}\n')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())
