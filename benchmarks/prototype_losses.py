"""SDR's four prototype losses, forward and backward, against loops over classes.

python benchmarks/prototype_losses.py [--batch 8] [--channels 2048] [--side 32] [--classes 21] [--rounds 10]
"""

from __future__ import annotations

import sys

import plain_losses
import torch
from timing import alternate, arguments, device, machine, median_ms, ratio

from mmciss.functional import feature_attraction, feature_repulsion, feature_sparsity, prototype_matching


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=10)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--channels', type=int, default=2048)
    parser.add_argument('--side', type=int, default=32, help='height and width of the features')
    parser.add_argument('--classes', type=int, default=21, help='background included; the last five are new')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    shape = args.batch, args.side, args.side
    num_old = args.classes - 5
    features = torch.rand(args.batch, args.channels, args.side, args.side).to(device()).requires_grad_(True)
    prototypes = torch.rand(args.classes, args.channels, device=device())
    labels = torch.randint(0, args.classes, shape, device=device())
    labels[:, :2] = 255
    labels[:, 2 : args.side // 2] = 0
    teacher = torch.randn(args.batch, num_old, args.side, args.side, device=device())
    old = teacher.argmax(1).masked_fill(labels != 0, 0)
    weights = 0.01, 0.001, 0.001, 0.001

    def ours() -> tuple[torch.Tensor, ...]:
        given = features, labels, prototypes
        return (
            prototype_matching(*given, teacher),
            feature_attraction(*given),
            feature_repulsion(*given),
            feature_sparsity(*given),
        )

    def run(losses) -> list[torch.Tensor]:
        values = losses()
        total = sum(weight * value for weight, value in zip(weights, values, strict=True))
        return [*(value.detach() for value in values), *torch.autograd.grad(total, features)]

    def loops() -> tuple[torch.Tensor, ...]:
        return plain_losses.prototype_losses(features, labels, prototypes, old)

    sides = {'loops over classes': lambda: run(loops), 'mmciss': lambda: run(ours)}
    for a, b in zip(*(side() for side in sides.values()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))
    times = alternate(sides, args.rounds)
    print(
        f'SDR, batch {args.batch}, {args.channels} channels, {args.side} x {args.side}, {args.classes} classes, '
        f'{args.rounds} rounds; {machine()}'
    )
    for name in sides:
        print(f'{name:<20}{median_ms(times, name):>10.1f} ms{ratio(times, name, "loops over classes"):>8.3f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
