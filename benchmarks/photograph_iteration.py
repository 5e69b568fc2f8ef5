"""What an iteration on photographs costs with each setting that makes it faster, in turn in one process.

    python benchmarks/photograph_iteration.py [--method mib] [--rounds 7] [--cpu-time] [--data-root VOC2012]
                                              [--compile inductor]

Whole iterations of a later step, without loading: preprocessing, teacher, losses, backward pass, optimizer. Then the
teacher's forward pass with and without PyTorch's inference mode, and, with ``--data-root``, loading a batch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

import torch
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, OPTIM_WRAPPERS
from timing import alternate, arguments, device, machine, median_ms, ratio
from training import Batch, Students, make_batch

from mmciss.engine import optimizers
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.utils.configs import load_config
from mmciss.utils.patched import patched

FASTER = {'channels_last': True, 'accuracy_interval': 10}
SEPARABLE = {
    'model.decode_head.type': 'DepthwiseSeparableASPPHead',
    'model.decode_head.c1_in_channels': 0,
    'model.decode_head.c1_channels': 0,
}
# Name: settings of the config, mixed precision.
SIDES: dict[str, tuple[dict[str, Any], bool]] = {
    'float32': ({}, False),
    'float32, accuracy_interval=10': ({'accuracy_interval': 10}, False),
    'float32, channels_last': ({'channels_last': True}, False),
    'bfloat16': ({}, True),
    'bfloat16, channels_last': ({'channels_last': True}, True),
    'bfloat16, both': (FASTER, True),
    'bfloat16, both, depthwise in bfloat16': (FASTER, True),
    'bfloat16, both, separable ASPP': ({**FASTER, **SEPARABLE}, True),
    'bfloat16, both, separable ASPP of 256': ({**FASTER, **SEPARABLE, 'model.decode_head.channels': 256}, True),
}
PLAIN, FULL = 'float32', 'bfloat16, both'


def iteration(model: IncrementalSegmentor, batch: Batch, amp: bool, place: str) -> Callable[[], None]:
    """Returns a whole training iteration but for loading; the iterations are numbered, as a runner does."""
    kind = ('AmpOptimWrapper' if place == 'cuda' else 'CpuAmpOptimWrapper') if amp else 'OptimWrapper'
    precision = dict(dtype='bfloat16') if amp else {}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)
    wrapper = OPTIM_WRAPPERS.build(dict(type=kind, optimizer=optimizer, **precision))
    images = [image.mul(60).add(120).clamp(0, 255).byte() for image in batch[0]]
    count = 0

    def run() -> None:
        nonlocal count
        MessageHub.get_current_instance().update_info('iter', count)
        model.train_step(dict(inputs=images, data_samples=batch[1]), wrapper)
        count += 1

    return run


def depthwise_too(run: Callable[[], None]) -> Callable[[], None]:
    """Returns an iteration whose depthwise convolutions are computed in bfloat16, too."""

    def slower() -> None:
        with patched(optimizers, 'depthwise_in_float32', nullcontext):
            run()

    return slower


def show_loading(config: str, root: str, size: int) -> None:
    """Prints the process time that loading a batch takes."""
    data = DATASETS.build(dict(load_config(config).train_dataloader.dataset, data_root=root))
    start = time.process_time()
    for index in range(10 * size):
        data[index % len(data)]
    print(f'{"loading a batch in one process":<40}{1e2 * (time.process_time() - start):>10.1f}')


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=7, cpu_time=True)
    parser.add_argument('--config', default='configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    parser.add_argument('--method', default='mib')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--crop', type=int, default=192)
    parser.add_argument('--classes', type=int, default=20, help='foreground classes; the last is the new one')
    parser.add_argument('--sides', nargs='+', choices=SIDES, default=list(SIDES), help='what to measure; default: all')
    parser.add_argument('--compile', help='a backend of torch.compile, to measure with it, too')
    parser.add_argument('--data-root', help='folder VOC2012 with the photographs, to measure loading, too')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    init_default_scope('mmseg')
    place = device()
    batch = make_batch(args.batch, args.crop, args.classes + 1, place)
    runs: dict[str, Callable[[], object]] = {}
    for name in dict.fromkeys([PLAIN, *args.sides]):
        settings, amp = SIDES[name]
        options = {'model.backbone.init_cfg': None, **settings}
        model = Students(args.config, args.classes, batch, place, options).student(args.method)
        run = iteration(model, batch, amp, place)
        runs[name] = depthwise_too(run) if 'depthwise' in name else run
        if args.compile and name == FULL:
            options['compile'] = dict(backend=args.compile)
            model = Students(args.config, args.classes, batch, place, options).student(args.method)
            runs[f'{name}, {args.compile}'] = iteration(model, batch, amp, place)
    times = alternate(runs, args.rounds, warm_up=2, cpu_time=args.cpu_time)
    print(
        f'{args.config}, {args.method}, batch {args.batch}, crop {args.crop}, {args.classes + 1} channels, '
        f'{args.rounds} rounds{", CPU time" * args.cpu_time}; {machine()}'
    )
    print(f'{"":<40}{"median ms":>10}{"ratio":>8}')
    for name in runs:
        print(f'{name:<40}{median_ms(times, name):>10.1f}{ratio(times, name, PLAIN):>8.3f}')

    network = Students(args.config, args.classes, batch, place, {'model.backbone.init_cfg': None}).teacher()

    def forward(mode: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            with mode():
                network(batch[0], mode='tensor')

        return run

    teacher = {'teacher, no_grad': forward(torch.no_grad), 'teacher, inference_mode': forward(torch.inference_mode)}
    times = alternate(teacher, args.rounds, warm_up=1, cpu_time=args.cpu_time)
    for name in teacher:
        print(f'{name:<40}{median_ms(times, name):>10.1f}{ratio(times, name, "teacher, no_grad"):>8.3f}')
    if args.data_root:
        show_loading(args.config, args.data_root, args.batch)
    return 0


if __name__ == '__main__':
    sys.exit(main())
