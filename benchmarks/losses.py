"""Unbiased cross-entropy and unbiased distillation, forward and backward, against their formulas on whole maps.

    python benchmarks/losses.py [--classes 151] [--size 512] [--batch 4] [--stride 16] [--rounds 5] [--dtype float32]
    python benchmarks/losses.py --each [--classes 21 --batch 2]

First with logits of the size of the labels, then with the upsampling inside: logits at ``--stride`` in, losses out. The
formulas are those of ``plain_losses.py``: log_softmax, one_hot and sums. Memory is what a run needs at most beyond its
inputs, the gradient included. Last, the memory of one to four losses that share logits at ``--stride``. ``--each``
compares every loss by itself, with the upsampling inside, and leaves out the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import plain_losses
import torch
import torch.nn.functional as F
from timing import alternate, arguments, device, machine, median_ms, peak_memory, ratio
from torch import Tensor

from mmciss.functional import (
    binary_cross_entropy,
    logit_distillation,
    sharp_relation,
    sigmoid_distillation,
    soft_relation,
    unbiased_cross_entropy,
    unbiased_distillation,
)

PLAIN, OURS = 'formulas on whole maps', 'mmciss'
WEIGHT = 10.0
"""Factor of the distillation, as in MiB."""


def show(title: str, sides: dict[str, Callable[[], list[Tensor]]], rounds: int, cpu_time: bool) -> None:
    """Compares values and gradients, then time and memory."""
    memory, results = {}, {}
    for name, run in sides.items():
        memory[name] = peak_memory(lambda name=name, run=run: results.update({name: run()}))
    for a, b in zip(results[OURS], results[PLAIN], strict=True):
        error = float((a - b).abs().max() / b.abs().max())
        assert error <= 1e-5, f'value or gradient differ by {error}'
    results.clear()
    times = alternate(sides, rounds, cpu_time=cpu_time)
    print(title)
    for name in sides:
        line = f'  {name:<26}{median_ms(times, name):>10.0f} ms{ratio(times, name, PLAIN):>8.3f}'
        print(f'{line}{memory[name] / 2**20:>10.0f} MiB{memory[name] / memory[PLAIN]:>8.3f}')


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=5, cpu_time=True)
    parser.add_argument('--classes', type=int, default=151, help='background included')
    parser.add_argument('--new', type=int, default=10, help='how many of them are new')
    parser.add_argument('--size', type=int, default=512)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--stride', type=int, default=16)
    parser.add_argument('--dtype', choices=('float32', 'float16', 'bfloat16'), default='float32')
    parser.add_argument('--each', action='store_true', help='compare every loss by itself')
    parser.add_argument('--compile', action='store_true', help='show the formulas under torch.compile too')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    old, size = args.classes - args.new, (args.size, args.size)
    dtype = getattr(torch, args.dtype)
    print(
        f'{args.classes} classes, {args.size} x {args.size}, batch {args.batch}, {args.dtype}, {args.rounds} rounds; '
        f'{machine()}'
    )
    print(f'  {"":<26}{"median":>10}{"ratio":>11}{"memory":>14}{"ratio":>8}')
    target = torch.randint(0, args.classes, (args.batch, *size), device=device())
    target[:, :8] = 255

    def draw(side: int) -> tuple[Tensor, Tensor]:
        logits = torch.randn(args.batch, args.classes, side, side, device=device()).mul_(3).to(dtype)
        teacher = torch.randn(args.batch, old, side, side, device=device()).mul_(3).to(dtype)
        return logits.requires_grad_(True), teacher

    def backward(loss: Tensor, logits: Tensor) -> list[Tensor]:
        return [loss.detach().float(), torch.autograd.grad(loss, logits)[0].float()]

    def upsampled(*maps: Tensor) -> list[Tensor]:
        full = [F.interpolate(x, size, mode='bilinear') if x.shape[-1] != args.size else x for x in maps]
        return [x.float() for x in full]

    def plain(logits: Tensor, teacher: Tensor) -> Tensor:
        full = upsampled(logits, teacher)
        return plain_losses.unbiased_cross_entropy(*full, target, old) + WEIGHT * plain_losses.unbiased_distillation(
            *full, target, old
        )

    def ours(logits: Tensor, teacher: Tensor) -> Tensor:
        return unbiased_cross_entropy(logits, target, old) + WEIGHT * unbiased_distillation(logits, teacher, size=size)

    small = max(1, args.size // args.stride)
    if args.each:
        logits, teacher = draw(small)
        each = {
            'unbiased_cross_entropy': lambda: unbiased_cross_entropy(logits, target, old),
            'binary_cross_entropy': lambda: binary_cross_entropy(logits, target),
            'unbiased_distillation': lambda: unbiased_distillation(logits, teacher, size=size),
            'logit_distillation': lambda: logit_distillation(logits, teacher, size=size),
            'sigmoid_distillation': lambda: sigmoid_distillation(logits, teacher, size=size),
            'soft_relation': lambda: soft_relation(logits, teacher, target, old, size=size),
            'sharp_relation': lambda: sharp_relation(logits, size=size),
        }
        for name, loss in each.items():
            sides = {
                PLAIN: lambda name=name: backward(
                    getattr(plain_losses, name)(*upsampled(logits, teacher), target, old), logits
                ),
                OURS: lambda loss=loss: backward(loss(), logits),
            }
            show(name, sides, args.rounds, args.cpu_time)
        return 0
    for title, side in (
        ('logits of the size of the labels', args.size),
        (f'logits at stride {args.stride}, upsampling inside', small),
    ):
        logits, teacher = draw(side)
        sides = {
            PLAIN: lambda: backward(plain(logits, teacher), logits),
            OURS: lambda: backward(ours(logits, teacher), logits),
        }
        if args.compile:
            compiled = torch.compile(plain)
            sides['formulas, torch.compile'] = lambda: backward(compiled(logits, teacher), logits)
        show(title, sides, args.rounds, args.cpu_time)
    losses = (
        lambda: unbiased_cross_entropy(logits, target, old),
        lambda: unbiased_distillation(logits, teacher, size=size),
        lambda: logit_distillation(logits, teacher, size=size),
        lambda: sharp_relation(logits, size=size),
    )
    print('losses that share logits, upsampling inside')
    for number in range(1, len(losses) + 1):
        memory = peak_memory(lambda: backward(sum(loss() for loss in losses[:number]), logits))
        print(f'  {number:<26}{memory / 2**20:>41.1f} MiB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
