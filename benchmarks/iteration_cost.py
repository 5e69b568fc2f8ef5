"""Cost of one training iteration beside plain MMSegmentation, same model, same data, in turn in one process.

    python benchmarks/iteration_cost.py [--config CONFIG] [--methods finetuning mib ...] [--rounds 20]

Prints medians and ratios: fine-tuning over plain MMSegmentation, and each method over plain MMSegmentation plus one
forward pass without gradients.
"""
from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

import mmciss.register_all  # noqa: E402, F401
from mmciss.apis.overrides import use_method  # noqa: E402
from mmciss.engine.model_config import set_num_classes  # noqa: E402
from mmciss.engine.schedule import StepPlan  # noqa: E402
from mmciss.engine.step_config import StepFiles, make_step_config  # noqa: E402
from mmciss.models.classifiers.export import plain_state_dict  # noqa: E402
from mmciss.models.building import build_teacher  # noqa: E402
from mmciss.protocols.protocol import Protocol  # noqa: E402
from mmciss.utils.configs import load_config  # noqa: E402
from mmciss.utils.files import save_tensors  # noqa: E402


def make_batch(size: int, crop: int, channels: int, device: str) -> tuple[torch.Tensor, list[SegDataSample]]:
    """Draws a batch with blocks of labels, of which some are hidden in the background."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 3, crop, crop, generator=generator)
    labels = torch.randint(0, channels, (size, crop // 16 + 1, crop // 16 + 1), generator=generator)
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :crop, :crop]
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo=dict(img_shape=(crop, crop), ori_shape=(crop, crop), pad_shape=(crop, crop)))
        sample.gt_sem_seg = PixelData(data=label[None].to(device))
        samples.append(sample)
    return inputs.to(device), samples


def optimizer_step(model: torch.nn.Module, run: Callable[[], dict], amp: bool, device: str) -> Callable[[], None]:
    """Wraps a loss function into a full iteration: forward, backward, optimizer step."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)

    def iteration() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=amp):
            losses = run()
        sum(value.mean() for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()

    return iteration


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    parser.add_argument('--methods', nargs='+', default=['finetuning', 'lwf', 'ilt', 'mib'])
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--crop', type=int, default=192)
    parser.add_argument('--classes', type=int, default=20, help='foreground classes; the last is the new one')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--amp', action='store_true')
    args = parser.parse_args()
    init_default_scope('mmseg')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    cfg = load_config(args.config)
    protocol = Protocol.from_lists([list(range(1, args.classes)), [args.classes]], args.classes)
    inputs, samples = make_batch(args.batch, args.crop, args.classes + 1, device)
    folder = Path(tempfile.mkdtemp())

    def student(method: str, index: int) -> torch.nn.Module:
        own = copy.deepcopy(cfg)
        use_method(own, method)
        own.protocol = dict(name='benchmark')
        own.work_dir = str(folder)
        previous = StepFiles(str(folder / 'model.pth')) if index else None
        step_cfg = make_step_config(own, protocol[index], StepPlan(10), previous)
        return MODELS.build(step_cfg.model).to(device)

    base = student('finetuning', 0)
    save_tensors(folder / 'model.pth', {'state_dict': plain_state_dict(base.segmentor)})
    plain_cfg = copy.deepcopy(cfg.model)
    plain_cfg.pop('data_preprocessor', None)
    set_num_classes(plain_cfg, args.classes + 1)
    plain = MODELS.build(plain_cfg).to(device).train()
    teacher = MODELS.build(copy.deepcopy(plain_cfg)).to(device).eval().requires_grad_(False)

    def plain_and_forward() -> dict:
        with torch.no_grad():
            teacher(inputs, mode='tensor')
        return plain.loss(inputs, samples)

    runs = {'plain MMSegmentation': optimizer_step(plain, lambda: plain.loss(inputs, samples), args.amp, device),
            'plain + no_grad forward': optimizer_step(plain, plain_and_forward, args.amp, device)}
    for method in args.methods:
        model = student(method, 1)
        model.init_weights()
        if model.needs_teacher:
            model.set_teacher(build_teacher(model, device))
        model.train()
        runs[method] = optimizer_step(model, lambda model=model: model.loss(inputs, samples), args.amp, device)
        runs[method].needs_teacher = model.needs_teacher
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(args.rounds + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device == 'cuda':
                torch.cuda.synchronize()
            if round_ >= 2:
                times[name].append(time.perf_counter() - start)
    print(f'{args.config}, batch {args.batch}, crop {args.crop}, {args.classes + 1} channels, '
          f'{"bfloat16" if args.amp else "float32"}, {device}, {torch.get_num_threads()} threads, {args.rounds} rounds')
    print(f'{"":<26}{"median ms":>10}{"ratio":>8}  against')
    for name, values in times.items():
        against = 'plain MMSegmentation'
        if getattr(runs[name], 'needs_teacher', False):
            against = 'plain + no_grad forward'
        # Ratios are taken round by round, so that a slow moment of the machine hits both sides.
        ratio = statistics.median(a / b for a, b in zip(values, times[against]))
        print(f'{name:<26}{statistics.median(values) * 1e3:>10.1f}{ratio:>8.3f}  {against}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
