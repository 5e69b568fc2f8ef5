"""AWT's attribution in closed form beside integrated gradients by the captum package, in turn.

    python benchmarks/attribution.py [--config CONFIG] [--crop 96] [--images 24] [--batch 8]
                                     [--rounds 3]

Both attribute the background logit of the same random model to the input of its classifier, with
an image of the mean colour as baseline, and run the same number of images at a time. Prints the median time per
image of each, their ratio, and whether they choose the same channels. The release of AWT (arXiv
2210.07207) integrates over 50 steps.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

import torch
import torch.nn.functional as F
from captum.attr import LayerIntegratedGradients
from mmengine.registry import init_default_scope
from torch import Tensor

import mmciss.register_all
from mmciss.engine.model_config import strip_pretrained
from mmciss.engine.statistics import BackgroundAttribution
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import labels_at, select_channels
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.outputs import main_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.utils.configs import load_config

OLD, FRACTION = 16, 0.25
STEP = Step(
    1, new=(16,), old=tuple(range(1, 16)), sizes=(OLD, 1), names=('background', *(f'class {k}' for k in range(1, 17)))
)
Images = list[tuple[Tensor, Tensor]]


def draw(count: int, size: int, crop: int, device: str) -> Images:
    """Draws batches of images, each image with the new class in its middle."""
    torch.manual_seed(0)
    label = torch.zeros(size, crop, crop, dtype=torch.long, device=device)
    label[:, crop // 4 : 3 * crop // 4, crop // 4 : 3 * crop // 4] = OLD
    return [(torch.randn(size, 3, crop, crop).to(device), label) for _ in range(count // size)]


def closed_form(teacher: Teacher, images: Images) -> Tensor:
    """Returns the chosen channels by the closed form."""
    found = run_passes({'awt': BackgroundAttribution(FRACTION)}, StepContext(STEP), teacher, lambda: images)
    return next(iter(found['channel_mask'].values()))[0]


def by_captum(teacher: Teacher, images: Images, steps: int) -> Tensor:
    """Returns the chosen channels by integrated gradients."""

    def background(batch: Tensor) -> Tensor:
        logits = teacher.segmentor(batch, mode='tensor')[:, :1]
        return F.interpolate(logits, batch.shape[-2:], mode='bilinear').sum((1, 2, 3))

    method = LayerIntegratedGradients(background, main_classifier(teacher.segmentor)[1])
    total = 0
    for image, label in images:
        found = method.attribute(
            image, torch.zeros_like(image), n_steps=steps, attribute_to_layer_input=True, internal_batch_size=len(image)
        ).detach()
        total = total + (found * (labels_at(label, found.shape[-2:]) == OLD).unsqueeze(1)).sum(0)
    return select_channels(total.amax((1, 2)), FRACTION).cpu()


def timed(run: Callable[[], Tensor], device: str) -> tuple[float, Tensor]:
    """Returns seconds and the result."""
    start = time.perf_counter()
    result = run()
    if device != 'cpu':
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/shapes/shapes_15-1.py')
    parser.add_argument('--crop', type=int, default=96, help='side of the images')
    parser.add_argument('--images', type=int, default=24, help='images per round')
    parser.add_argument('--batch', type=int, default=8, help='images at a time; it must divide --images')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--steps', type=int, default=50, help='steps of the integration')
    args = parser.parse_args()
    init_default_scope('mmseg')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    config = load_config(args.config).model
    config.pop('data_preprocessor', None)
    strip_pretrained(config)
    set_num_classes(config, OLD)
    teacher = Teacher(build_grown_segmentor(config, (OLD,)).to(device))
    images = draw(args.images, args.batch, args.crop, device)
    for run in (lambda: closed_form(teacher, images), lambda: by_captum(teacher, images[:1], 1)):
        run()  # warm up
    ours, theirs, same = [], [], True
    for _ in range(args.rounds):
        seconds, mask = timed(lambda: closed_form(teacher, images), device)
        ours.append(seconds / args.images)
        seconds, expected = timed(lambda: by_captum(teacher, images, args.steps), device)
        theirs.append(seconds / args.images)
        same &= torch.equal(mask, expected)
    print(f'closed form           {1000 * statistics.median(ours):9.1f} ms per image (median of {args.rounds} rounds)')
    print(f'captum, {args.steps:3d} steps     {1000 * statistics.median(theirs):9.1f} ms per image')
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(f'ratio                 {statistics.median(ratios):9.1f} (from {min(ratios):.1f} to {max(ratios):.1f})')
    print(f'same channels         {same}')
    return 0 if same else 1


if __name__ == '__main__':
    sys.exit(main())
