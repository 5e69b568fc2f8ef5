"""Mapping a mask's labels: our table against MMSegmentation's loop and ``Tensor.apply_``.

python benchmarks/label_mapping.py [--rounds 200]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.protocols import Protocol, label_policy


def timed(run: Callable[[], object], rounds: int) -> list[float]:
    """Returns the milliseconds of each round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=200)
    args = parser.parse_args()
    print(f'a mask of 375 x 500, median of {args.rounds} rounds in turn, {torch.get_num_threads()} threads')
    print(f'{"classes":>8}{"table ms":>10}{"loop ms":>10}{"apply_ ms":>11}{"loop/table":>12}{"apply_/table":>14}')
    for classes in (20, 150):
        step = Protocol.from_name(f'{classes - 5}-1', classes)[3]
        table = label_policy('plop', 1, 'overlapped').train_table(step, classes, 1)
        transform = MapLabels(table)
        mask = np.random.default_rng(0).integers(0, classes + 1, (375, 500), dtype=np.uint8)
        mapping = {old: int(new) for old, new in enumerate(table[: classes + 1])}

        def ours() -> np.ndarray:
            return transform({'gt_seg_map': mask, 'seg_fields': ['gt_seg_map']})['gt_seg_map']

        def loop() -> np.ndarray:
            """What MMSegmentation's LoadAnnotations does with a label_map."""
            out, kept = mask.copy(), mask.copy()
            for old, new in mapping.items():
                out[kept == old] = new
            return out

        def apply() -> torch.Tensor:
            return torch.from_numpy(mask.copy()).apply_(lambda old: mapping[old])

        assert np.array_equal(ours(), loop()) and np.array_equal(ours(), apply().numpy())
        times = {'ours': [], 'loop': [], 'apply': []}
        for _ in range(args.rounds):
            times['ours'] += timed(ours, 1)
            times['loop'] += timed(loop, 1)
            if len(times['apply']) < max(3, args.rounds // 20):
                times['apply'] += timed(apply, 1)
        table_ms, loop_ms, apply_ms = (statistics.median(times[name]) for name in ('ours', 'loop', 'apply'))
        print(
            f'{classes:>8}{table_ms:>10.4f}{loop_ms:>10.3f}{apply_ms:>11.2f}{loop_ms / table_ms:>12.1f}'
            f'{apply_ms / table_ms:>14.0f}'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
