"""Local POD of six layers, forward and backward, against loops over regions.

    python benchmarks/local_pod.py [--batch 4] [--crop 512] [--divide 4] [--rounds 10]

The maps are those that PLOP reads from a ResNet-101 at output stride 16: four stages, the embedding and the logits of
21 channels. ``--divide`` divides the channels of the features.
"""

from __future__ import annotations

import sys

import plain_losses
import torch
from timing import alternate, arguments, device, machine, median_ms, ratio

from mmciss.functional import local_pod

STAGES = ((256, 4), (512, 8), (1024, 16), (2048, 16), (256, 16))
OLD, SEEN = 16, 17


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=10)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--crop', type=int, default=512)
    parser.add_argument('--divide', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    shapes = [(args.batch, max(1, c // args.divide), args.crop // s, args.crop // s) for c, s in STAGES]
    logits = (args.batch, SEEN, args.crop // 16, args.crop // 16)
    student = [torch.randn(shape, device=device(), requires_grad=True) for shape in (*shapes, logits)]
    teacher = [torch.randn_like(x) for x in student[:-1]] + [torch.randn_like(student[-1][:, :OLD])]
    factors = [0.01] * 5 + [0.0005]

    def run(function) -> list[torch.Tensor]:
        loss = function(student, teacher, factors, OLD, SEEN)
        return [loss.detach(), *torch.autograd.grad(loss, student)]

    sides = {'loops over regions': lambda: run(plain_losses.local_pod), 'mmciss': lambda: run(local_pod)}
    for a, b in zip(*(side() for side in sides.values()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))
    times = alternate(sides, args.rounds)
    print(
        f'Local POD, batch {args.batch}, crop {args.crop}, channels / {args.divide}, {args.rounds} rounds; {machine()}'
    )
    for name in sides:
        print(f'{name:<20}{median_ms(times, name):>10.1f} ms{ratio(times, name, "loops over regions"):>8.3f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
