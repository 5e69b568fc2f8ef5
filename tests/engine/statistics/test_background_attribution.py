"""AWT's choice of channels on a whole network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.engine.statistics import BackgroundAttribution
from mmciss.engine.statistics.background_attribution import is_linear
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import labels_at, select_channels
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from tests.engine.statistics import samples
from tests.functional.choices import assert_same_choice
from tests.models.tiny import LATER

NAME = 'decode_head.conv_seg'


def run(teacher: Teacher, batches: samples.Batches | None = None, **options: object) -> dict:
    batches = samples.batches() if batches is None else batches
    return run_passes(dict(a=BackgroundAttribution(**options)), StepContext(LATER), teacher, lambda: batches)


def by_captum(teacher: Teacher, channels: list[int]) -> Tensor:
    """AWT's release: integrated gradients of the background logit, then mean, then maximum."""
    captum = pytest.importorskip('captum.attr', reason='captum is not installed')

    def background(images: Tensor) -> Tensor:
        logits = F.interpolate(teacher.segmentor(images, mode='tensor'), (64, 64), mode='bilinear')
        return logits[:, 0].sum((1, 2))

    method = captum.LayerIntegratedGradients(background, teacher.segmentor.decode_head.conv_seg)
    kept = []
    for inputs, target in samples.batches():
        for image, label in zip(inputs, target, strict=True):
            mask = labels_at(torch.isin(label, torch.tensor(channels))[None], (8, 8))
            if mask.any():
                found = method.attribute(
                    image[None], torch.zeros_like(image[None]), n_steps=50, attribute_to_layer_input=True
                )
                kept.append(found.detach() * mask[None])
    return torch.cat(kept).mean(0).amax((1, 2))


@pytest.mark.parametrize('per_class', [True, False])
def test_chooses_the_channels_that_captum_chooses(per_class: bool) -> None:
    teacher = samples.teacher()
    assert teacher(samples.batches()[0][0]).logits.shape[-2:] == (8, 8)
    found = run(teacher, per_class=per_class, fraction=0.5)
    expected = torch.stack([by_captum(teacher, group) for group in ([[3], [4]] if per_class else [[3, 4]])])
    torch.testing.assert_close(found['attribution'], expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert_same_choice(
        found['channel_mask'][NAME], select_channels(expected, 0.5), expected, 1e-4 * float(expected.abs().max())
    )
    assert found['channel_mask'][NAME].sum(1).tolist() == [4] * len(expected)


class Cosine(nn.Module):
    """A classifier that is not linear: cosines between embedding and weights."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.normalize(x, dim=1, eps=1e-2), F.normalize(self.weight, dim=1))


def test_integrates_gradients_where_the_classifier_is_not_linear() -> None:
    teacher = samples.teacher()
    head = teacher.segmentor.decode_head
    embedding = teacher(samples.batches()[0][0]).embedding
    assert is_linear(head.conv_seg, embedding)
    head.conv_seg = Cosine(head.conv_seg.weight.detach().clone())
    assert not is_linear(head.conv_seg, embedding)
    found = run(teacher, per_class=False, steps=50)
    expected = by_captum(teacher, [3, 4])[None]
    torch.testing.assert_close(found['attribution'], expected, rtol=2e-2, atol=1e-2 * float(expected.abs().max()))


def test_a_large_kernel_is_not_taken_for_linear_by_position() -> None:
    teacher = samples.teacher()
    head = teacher.segmentor.decode_head
    torch.manual_seed(0)
    head.conv_seg = nn.Conv2d(8, 3, 3, padding=1)
    assert not is_linear(head.conv_seg, teacher(samples.batches()[0][0]).embedding)
    found = run(teacher, per_class=False, steps=2)
    expected = by_captum(teacher, [3, 4])[None]
    torch.testing.assert_close(found['attribution'], expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_a_class_without_pixels_marks_no_channel() -> None:
    batches = [(inputs, target.masked_fill(target == 4, 0)) for inputs, target in samples.batches()]
    found = run(samples.teacher(), batches)
    assert found['channel_mask'][NAME].sum(1).tolist() == [2, 0]
    assert not found['attribution'][1].any()


def test_images_of_several_sizes() -> None:
    batches = [*samples.batches(), *samples.batches(side=96)]
    with pytest.raises(ConfigError, match=r"embeddings of \(8, 8\) and \(12, 12\).*mode='mean_of_max'"):
        run(samples.teacher(), batches)
    assert run(samples.teacher(), batches, mode='mean_of_max')['attribution'].any()


def test_the_auxiliary_channel_as_source() -> None:
    teacher = samples.teacher()
    conv_seg = teacher.segmentor.decode_head.conv_seg
    with pytest.raises(ConfigError, match=r"source: 'auxiliary'.*method.classifier=dict\(auxiliary=1\)"):
        run(teacher, source='auxiliary')
    expected = run(teacher)['attribution']
    conv_seg.auxiliary = nn.Conv2d(8, 1, 1).requires_grad_(False)
    conv_seg.auxiliary.weight.copy_(2 * conv_seg.weight[:1])
    torch.testing.assert_close(run(teacher, source='auxiliary')['attribution'], 2 * expected)
    conv_seg.steps[0].weight[0] = 0
    with pytest.raises(ConfigError, match="row of the background is zero.*source='auxiliary'"):
        run(teacher)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(fraction=0.0), r'method.statistics.*fraction: must be in \(0, 1\], found 0.0'),
        (dict(source='unknown'), r"source.*'unknown'.*auxiliary"),
        (dict(mode='max'), r"mode.*'max'.*max_of_mean"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BackgroundAttribution(**options)
