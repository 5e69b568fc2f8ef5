"""Whether steps grow slower or larger as a protocol goes on: equal iterations at every step of 15-1, 10-1 and 2-1.

    python benchmarks/step_cost.py [--protocols 15-1 10-1 2-1] [--iters 20] [--method mib]

Each protocol learns drawn shapes, 20 small iterations per step, in a process of its own. Per step: the median time of
an iteration; the time from the last iteration of the previous step to the first of this one without the evaluation in
between; and the memory that the process holds when the step has been evaluated. The ratios compare the last third of
the later steps with the first third.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from timing import arguments, machine

CLOCK = 'StepClock'


def learn(protocol: str, args: argparse.Namespace, connection: Any) -> None:
    """Learns a protocol and sends what each step took."""
    from mmciss.utils.environment import set_thread_defaults

    set_thread_defaults()
    import torch
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS

    import mmciss.register_all
    from mmciss.apis.overrides import use_method
    from mmciss.engine import IncrementalRunner
    from mmciss.utils.configs import load_config

    torch.set_num_threads(args.threads)
    records: list[dict[str, Any]] = []

    class StepClock(Hook):
        """Notes when iterations and evaluations begin and end."""

        def before_train(self, runner: Any) -> None:
            records.append({'times': [], 'evaluation': 0.0})

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            self.start = time.perf_counter()
            records[-1].setdefault('first', self.start)

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            records[-1]['last'] = time.perf_counter()
            records[-1]['times'].append(records[-1]['last'] - self.start)

        def before_test(self, runner: Any) -> None:
            self.start = time.perf_counter()

        def after_test(self, runner: Any) -> None:
            records[-1]['evaluation'] = time.perf_counter() - self.start
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            records[-1]['memory'] = pages * os.sysconf('SC_PAGE_SIZE')

    HOOKS.register_module(name=CLOCK, module=StepClock, force=True)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, 'w') as nowhere:
        cfg = load_config(args.config)
        use_method(cfg, args.method)
        cfg.protocol.name = protocol
        cfg.work_dir = f'{folder}/run'
        cfg.data_root = f'{folder}/shapes'
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.dataset.data_root = cfg.data_root
            loader.dataset.drawing = dict(seed=0, train=args.images, val=20, side=96)
        cfg.train_dataloader.batch_size = args.batch
        cfg.steps = dict(base=dict(lr=0.02, iters=args.iters), later=dict(lr=0.02, iters=args.iters))
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type=CLOCK)]
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            IncrementalRunner.from_cfg(cfg).train()
    connection.send(records)


def change(values: list[float]) -> float:
    """Returns the median of the last third over that of the first third."""
    third = max(1, len(values) // 3)
    return statistics.median(values[-third:]) / statistics.median(values[:third])


def show(protocol: str, records: list[dict[str, Any]], each: bool) -> None:
    """Prints one protocol."""
    later = records[1:]
    iteration = [1e3 * statistics.median(record['times']) for record in later]
    between = [new['first'] - old['last'] - old['evaluation'] for old, new in itertools.pairwise(records)]
    memory = [record['memory'] / 2**20 for record in later]
    if each:
        for index, row in enumerate(zip(iteration, between, memory, strict=True), start=1):
            print('    step {:<3}{:>10.1f} ms{:>10.2f} s{:>10.0f} MiB'.format(index, *row))
    print(
        f'{protocol:<8}{len(records):>6}{statistics.median(iteration):>12.1f}{change(iteration):>8.3f}'
        f'{max(between):>12.2f}{statistics.median(memory):>12.0f}{change(memory):>8.3f}'
    )


def main() -> int:
    """Runs the benchmark."""
    parser = arguments(__doc__, rounds=1)
    parser.add_argument('--protocols', nargs='+', default=['15-1', '10-1', '2-1'])
    parser.add_argument('--config', default='configs/shapes/shapes_15-1.py')
    parser.add_argument('--method', default='mib')
    parser.add_argument('--iters', type=int, default=20)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--images', type=int, default=400, help='training images that are drawn')
    parser.add_argument('--each', action='store_true', help='show every step')
    args = parser.parse_args()
    print(f'{args.config}, {args.method}, batch {args.batch}, {args.iters} iterations per step; {machine()}')
    print(f'{"":<8}{"steps":>6}{"ms / iter":>12}{"ratio":>8}{"between s":>12}{"MiB":>12}{"ratio":>8}')
    context = multiprocessing.get_context('spawn')
    for protocol in args.protocols * args.rounds:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=learn, args=(protocol, args, sender))
        process.start()
        sender.close()
        try:
            show(protocol, receiver.recv(), args.each)
        except EOFError:
            print(f'{protocol}: the run failed', file=sys.stderr)
            return 1
        finally:
            process.join()
    return 0


if __name__ == '__main__':
    sys.exit(main())
