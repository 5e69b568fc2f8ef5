"""Cost of one training iteration beside plain MMSegmentation, same model, same data, in turn in one process.

    python benchmarks/iteration_cost.py [--config CONFIG] [--methods finetuning mib ...] [--rounds 20] [--amp]

Prints medians and ratios: fine-tuning over plain MMSegmentation, and each method over plain MMSegmentation plus one
forward pass without gradients.
"""

from __future__ import annotations

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

import torch
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from timing import alternate, arguments, device, machine, median_ms, ratio
from training import Students, make_batch, optimizer_step

PLAIN, WITH_FORWARD = 'plain MMSegmentation', 'plain + no_grad forward'
METHODS = ('finetuning', 'lwf', 'lwf_mc', 'ilt', 'mib', 'awt', 'plop', 'sdr', 'rcil', 'dkd', 'gsc', 'ssul')


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=20, cpu_time=True)
    parser.add_argument('--config', default='configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    parser.add_argument('--methods', nargs='+', default=METHODS)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--crop', type=int, default=192)
    parser.add_argument('--classes', type=int, default=20, help='foreground classes; the last is the new one')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings, as in tools/train.py')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    init_default_scope('mmseg')
    place = device()
    batch = make_batch(args.batch, args.crop, args.classes + 1, place)
    students = Students(args.config, args.classes, batch, place, args.cfg_options)
    plain, teacher = students.plain(), students.teacher()

    def plain_and_forward() -> dict:
        with torch.no_grad():
            teacher(batch[0], mode='tensor')
        return plain.loss(*batch)

    runs = {
        PLAIN: optimizer_step(plain, lambda: plain.loss(*batch), args.amp, place),
        WITH_FORWARD: optimizer_step(plain, plain_and_forward, args.amp, place),
    }
    against = {PLAIN: PLAIN, WITH_FORWARD: PLAIN}
    for method in args.methods:
        model = students.student(method)
        runs[method] = optimizer_step(model, lambda model=model: model.loss(*batch), args.amp, place)
        against[method] = WITH_FORWARD if model.needs_teacher else PLAIN
    times = alternate(runs, args.rounds, warm_up=2, cpu_time=args.cpu_time)
    print(
        f'{args.config}, batch {args.batch}, crop {args.crop}, {args.classes + 1} channels, '
        f'{"bfloat16" if args.amp else "float32"}, {args.rounds} rounds{", CPU time" * args.cpu_time}; {machine()}'
    )
    print(f'{"":<26}{"median ms":>10}{"ratio":>8}  against')
    for name in runs:
        print(f'{name:<26}{median_ms(times, name):>10.1f}{ratio(times, name, against[name]):>8.3f}  {against[name]}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
