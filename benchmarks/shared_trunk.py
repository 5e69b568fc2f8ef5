"""What a frozen trunk saves: SSUL's iteration with a shared trunk, with a second network, and fine-tuning.

    python benchmarks/shared_trunk.py [--config CONFIG] [--batch 4] [--crop 192] [--rounds 10]

All three train the same model on the same batch, in turn in one process.
"""
from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from pathlib import Path

from iteration_cost import make_batch, optimizer_step

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmciss.register_all  # noqa: F401
from mmciss.apis.overrides import use_method
from mmciss.engine.schedule import StepPlan
from mmciss.engine.step_config import StepFiles, make_step_config
from mmciss.models.building import build_teacher
from mmciss.models.incremental_segmentor import IncrementalSegmentor
from mmciss.models.shared_trunk_teacher import trunk_is_frozen
from mmciss.protocols.protocol import Protocol
from mmciss.utils.configs import load_config
from mmciss.utils.files import save_tensors

CLASSES = 20


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--crop', type=int, default=192)
    parser.add_argument('--rounds', type=int, default=10)
    args = parser.parse_args()
    init_default_scope('mmseg')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    cfg = load_config(args.config)
    protocol = Protocol.from_lists([list(range(1, CLASSES)), [CLASSES]], CLASSES)
    inputs, samples = make_batch(args.batch, args.crop, CLASSES + 1, device)
    folder = Path(tempfile.mkdtemp())
    files = StepFiles(str(folder / 'model.pth'), str(folder / 'state.pth'))

    def student(method: str, index: int) -> IncrementalSegmentor:
        own = copy.deepcopy(cfg)
        use_method(own, method)
        own.protocol = dict(name='benchmark')
        own.work_dir = str(folder)
        config = make_step_config(own, protocol[index], StepPlan(10), files if index else None)
        return MODELS.build(config.model).to(device)

    base = student('ssul', 0)
    save_tensors(files.model, {'state_dict': base.plain_weights()})
    save_tensors(files.state, base.method_state())
    runs = {}
    for name, method, share in (('fine-tuning', 'finetuning', None),
                                ('SSUL, second network', 'ssul', False),
                                ('SSUL, shared trunk', 'ssul', True)):
        model = student(method, 1)
        model.init_weights()
        if share is not None:
            assert trunk_is_frozen(model)
            model.set_teacher(build_teacher(model, device, share_trunk=share))
        model.train()
        runs[name] = optimizer_step(model, lambda model=model: model.loss(inputs, samples), False,
                                    device)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(args.rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device == 'cuda':
                torch.cuda.synchronize()
            if turn:  # the first one allocates
                times[name].append(time.perf_counter() - start)
    print(f'{args.config}, batch {args.batch}, crop {args.crop}, {device}, '
          f'{torch.get_num_threads()} threads, {args.rounds} rounds')
    print(f'{"":<24}{"median ms":>10}{"of fine-tuning":>16}')
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times['fine-tuning']))
        print(f'{name:<24}{statistics.median(values) * 1e3:>10.1f}{ratio:>16.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
