"""Which class is where in all masks: our scan against Pillow and np.unique in one process.

    python benchmarks/presence_scan.py MASKS [--list NAMES] [--rounds 3] [--threads 0]

MASKS is a folder of PNG files or a tar archive of them, such as the 10,582 masks of PASCAL VOC; an archive is unpacked
to a temporary folder first. NAMES is a text file with the name of one mask per line, without its ending; by default all
are read. ``--threads`` is the number of processes of the scan, 0 for all cores. The last line is for the scan that is
kept on disk.
"""

from __future__ import annotations

import os
import statistics
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from timing import alternate, arguments, machine, median_ms, ratio, seconds

from mmciss.protocols.scan import load_or_scan, scan_masks

PLAIN, OURS = 'Pillow and np.unique', 'mmciss'


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=3)
    parser.set_defaults(threads=0)
    parser.add_argument('masks', type=Path)
    parser.add_argument('--list', type=Path, dest='names', help='names of the masks to read')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        masks = args.masks
        if masks.is_file():
            with tarfile.open(masks) as archive:
                archive.extractall(folder, filter='data')
            masks = Path(folder)
        names = args.names and {Path(line.split()[-1]).stem for line in args.names.read_text().splitlines()}
        files = sorted(str(path) for path in masks.rglob('*.png') if not names or path.stem in names)
        cores = args.threads or len(os.sched_getaffinity(0))
        found = {}

        def plain() -> None:
            found[PLAIN] = [np.unique(np.asarray(Image.open(file))).tolist() for file in files]

        def ours() -> None:
            scan = scan_masks(files, cores, progress=False)
            found[OURS] = [ids.tolist() for ids in np.split(scan.ids, scan.indptr[1:-1])]

        times = alternate({PLAIN: plain, OURS: ours}, args.rounds, warm_up=0)
        assert found[PLAIN] == found[OURS]
        print(f'{len(files)} masks, {cores} processes, {args.rounds} rounds; {machine()}')
        print(f'{PLAIN:<24}{median_ms(times, PLAIN):>10.0f} ms')
        print(f'{OURS:<24}{median_ms(times, OURS):>10.0f} ms{ratio(times, PLAIN, OURS):>8.2f} times as fast')
        with tempfile.TemporaryDirectory() as cache:
            load_or_scan(files, cache, cores, progress=False)
            cached = [seconds(lambda: load_or_scan(files, cache, cores, progress=False)) for _ in range(5)]
        print(f'{"mmciss, from the cache":<24}{1e3 * statistics.median(cached):>10.1f} ms')
    return 0


if __name__ == '__main__':
    sys.exit(main())
