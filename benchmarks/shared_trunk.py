"""What a frozen trunk saves: SSUL's iteration with a shared trunk, with a second network, and fine-tuning.

    python benchmarks/shared_trunk.py [--config CONFIG] [--batch 4] [--crop 192] [--rounds 10]

All three train the same model on the same batch, in turn in one process.
"""

from __future__ import annotations

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

import torch
from mmengine.registry import init_default_scope
from timing import alternate, arguments, device, machine, median_ms, ratio
from training import Students, make_batch, optimizer_step

CLASSES = 20
SIDES = (
    ('fine-tuning', 'finetuning', False),
    ('SSUL, second network', 'ssul', False),
    ('SSUL, shared trunk', 'ssul', True),
)


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=10)
    parser.add_argument('--config', default='configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--crop', type=int, default=192)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    init_default_scope('mmseg')
    place = device()
    batch = make_batch(args.batch, args.crop, CLASSES + 1, place)
    students = Students(args.config, CLASSES, batch, place)
    runs = {}
    for name, method, share in SIDES:
        model = students.student(method, share_trunk=share)
        runs[name] = optimizer_step(model, lambda model=model: model.loss(*batch), False, place)
    times = alternate(runs, args.rounds)
    print(f'{args.config}, batch {args.batch}, crop {args.crop}, {args.rounds} rounds; {machine()}')
    print(f'{"":<24}{"median ms":>10}{"of fine-tuning":>16}')
    for name in runs:
        print(f'{name:<24}{median_ms(times, name):>10.1f}{ratio(times, name, "fine-tuning"):>16.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
