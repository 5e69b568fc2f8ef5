"""Pseudo labels and the unknown class, against a reference pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers import GrowableConv2d
from mmciss.models.labelers import UnknownLabeler
from mmciss.models.outputs import SegOutput
from mmciss.models.slots import check_samples
from mmciss.protocols.labels import UNKNOWN
from mmciss.protocols.step import Step
from tests.models.labelers.samples import label
from tests.models.tiny import BASE, LATER

SHAPE = (2, 4, 4)


def samples_of(saliency: torch.Tensor | None = None) -> list[SegDataSample]:
    samples = []
    for index in range(SHAPE[0]):
        sample = SegDataSample()
        if saliency is not None:
            sample.gt_saliency = PixelData(data=saliency[index][None])
        samples.append(sample)
    return samples


def target() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.tensor([0, 0, 0, 3, 4, 255])[torch.randint(0, 6, SHAPE)]


def teacher() -> SegOutput:
    torch.manual_seed(4)
    classifier = GrowableConv2d(5, (3,), auxiliary=1).requires_grad_(False)
    embedding = 6 * torch.randn(2, 5, 4, 4)
    return SegOutput(classifier(embedding), embedding, classifier=classifier)


def reference(labels: torch.Tensor, output: SegOutput, saliency: torch.Tensor | None, threshold: float) -> torch.Tensor:
    """The paper's rule on its own layout: unknown, background, classes."""
    out = labels.clone()
    for n in range(2):
        for y in range(4):
            for x in range(4):
                scores = [float(output.auxiliary[n, 0, y, x]), *output.logits[n, :, y, x].tolist()]
                best = max(range(4), key=scores.__getitem__)
                sure = 1 / (1 + math.exp(-scores[best])) >= threshold
                if labels[n, y, x] == 0 and best > 1 and sure:
                    out[n, y, x] = best - 1
                elif labels[n, y, x] == 0 and (saliency is None or saliency[n, y, x] > 0):
                    out[n, y, x] = UNKNOWN
    return out


@pytest.mark.parametrize('with_maps', [False, True])
@pytest.mark.parametrize('threshold', [0.7, 0.99])
def test_labels(with_maps: bool, threshold: float) -> None:
    saliency = torch.arange(32).view(SHAPE).remainder(3).to(torch.uint8) if with_maps else None
    labeler = UnknownLabeler('saliency' if with_maps else 'background', threshold)
    labels, output = target(), teacher()
    kept = labels.clone()
    found = label(labeler, labels, output, LATER, samples_of(saliency))
    expected = reference(labels, output, saliency, threshold)
    assert torch.equal(found.target, expected) and found.weights is None
    assert torch.equal(labels, kept), 'the batch itself is not changed'
    values = set(expected.unique().tolist())
    assert {UNKNOWN, 255, 3, 4} < values and values & {1, 2}, 'the case is worth testing'


def test_the_base_step_has_no_teacher() -> None:
    labeler = UnknownLabeler(threshold=None)
    assert 'teacher' not in labeler.needs and 'teacher' in UnknownLabeler().needs
    labels = torch.tensor([[[0, 1, 255]]])
    assert label(labeler, labels, None, BASE).target.tolist() == [[[UNKNOWN, 1, 255]]]


def test_maps_of_padded_images_are_padded() -> None:
    labels = torch.zeros(2, 4, 6, dtype=torch.long)
    saliency = torch.ones(SHAPE, dtype=torch.uint8)
    found = label(UnknownLabeler('saliency', None), labels, None, BASE, samples_of(saliency)).target
    assert torch.equal(found[..., :4], torch.full(SHAPE, UNKNOWN)) and not found[..., 4:].any()


def test_missing_maps_are_refused_with_the_key_to_change() -> None:
    labeler = UnknownLabeler('saliency')
    with pytest.raises(ConfigError, match=r"method.labeler.unknown='saliency' needs saliency maps"):
        check_samples({'labeler': labeler}, ['gt_sem_seg'])
    check_samples({'labeler': labeler}, ['gt_sem_seg', 'gt_saliency'])
    check_samples({'labeler': UnknownLabeler('background')}, [])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(unknown='maps'), r"method.labeler.unknown.*'maps'.*saliency"),
        (dict(threshold=2), r'method.labeler.threshold: must lie in 0..1, found 2'),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UnknownLabeler(**options)


def test_label_254_must_be_free() -> None:
    names = ('background', *map(str, range(254)))
    full = Step(0, tuple(range(1, 255)), (), (255,), names)
    with pytest.raises(ConfigError, match='needs label 254, but step 0 has 255 channels'):
        UnknownLabeler(threshold=None).check_step(full)


def test_the_losses_of_ssul_are_one_bce_over_unknown_background_and_classes() -> None:
    """Main loss and auxiliary loss together equal the paper's loss on its own layout."""
    from mmseg.registry import MODELS

    labels = label(UnknownLabeler(threshold=None), target().clamp(max=255), None, LATER).target
    labels[0, 0, 0] = 0
    student = teacher()
    logits = torch.randn(2, 5, 4, 4)
    main = MODELS.build(dict(type='SigmoidCrossEntropyLoss', reduction='valid_mean', negative_index=UNKNOWN))(
        logits, labels
    )
    extra = MODELS.build(dict(type='AuxiliaryClassifierLoss', positive_index=UNKNOWN, ignore_index=255))(
        student, None, labels, LATER
    )
    scores = torch.cat([student.auxiliary, logits], 1)
    place = torch.where(labels == UNKNOWN, 0, labels + 1)
    valid = labels != 255
    onehot = nn.functional.one_hot(place.masked_fill(~valid, 0), 6).permute(0, 3, 1, 2).float()
    each = nn.functional.binary_cross_entropy_with_logits(scores, onehot, reduction='none').sum(1)
    torch.testing.assert_close(main + extra, each[valid].mean())
