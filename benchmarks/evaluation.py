"""Evaluating one image: our metric against MMSegmentation's IoUMetric.

    python benchmarks/evaluation.py [--classes 151] [--height 375] [--width 500] [--images 20] [--rounds 10]

Both look at the same predictions and labels, in turn; the IoU of every class must be the same.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from timing import alternate, arguments, device, machine, median_ms, ratio

from mmciss.evaluation.confusion import iou_from_confusion
from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric

PLAIN, OURS = 'IoUMetric', 'IncrementalIoUMetric'


def draw(images: int, classes: int, height: int, width: int) -> list[dict]:
    """Draws blocks of labels, a tenth of them void, and predictions that are right in two thirds of the blocks."""
    generator = torch.Generator().manual_seed(0)

    def blocks() -> torch.Tensor:
        small = torch.randint(0, classes, (height // 16 + 1, width // 16 + 1), generator=generator)
        return small.repeat_interleave(16, 0).repeat_interleave(16, 1)[:height, :width]

    samples = []
    for _ in range(images):
        label = blocks()
        prediction = torch.where(blocks() % 3 == 0, blocks(), label)
        label = label.masked_fill(blocks() % 10 == 0, 255)
        samples.append(
            {
                key: {'data': value[None].to(device())}
                for key, value in (('pred_sem_seg', prediction), ('gt_sem_seg', label))
            }
        )
    return samples


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=10)
    parser.add_argument('--classes', type=int, default=151)
    parser.add_argument('--height', type=int, default=375)
    parser.add_argument('--width', type=int, default=500)
    parser.add_argument('--images', type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    samples = draw(args.images, args.classes, args.height, args.width)
    metrics = {PLAIN: IoUMetric(), OURS: IncrementalIoUMetric([args.classes], absent='mmseg')}
    names = tuple(f'class {k}' for k in range(args.classes))
    sides = {}
    for name, metric in metrics.items():
        metric.dataset_meta = dict(classes=names)

        def run(metric: IoUMetric | IncrementalIoUMetric = metric) -> None:
            metric.results.clear()
            for sample in samples:
                metric.process({}, [sample])

        sides[name] = run
    for run in sides.values():
        run()
    intersect, union = (sum(part) for part in list(zip(*metrics[PLAIN].results, strict=True))[:2])
    metrics[OURS].compute_metrics(metrics[OURS].results)
    ours = iou_from_confusion(metrics[OURS].confusion, 'mmseg')
    np.testing.assert_array_equal(ours, (intersect.double() / union.double()).numpy())
    times = alternate(sides, args.rounds)
    print(
        f'{args.classes} classes, {args.height} x {args.width}, {args.images} images, {args.rounds} rounds; {machine()}'
    )
    for name in sides:
        print(f'{name:<24}{median_ms(times, name) / args.images:>8.2f} ms per image{ratio(times, name, PLAIN):>8.3f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
