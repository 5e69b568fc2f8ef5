"""Mean features by class."""

from __future__ import annotations

import torch

from mmciss.engine.statistics import ClassPrototypes
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.functional import labels_at
from mmciss.models.step_context import StepContext
from tests.engine.statistics import samples
from tests.models.tiny import LATER


def test_means_over_the_background_pixels_that_the_teacher_assigns() -> None:
    teacher = samples.teacher()
    found = run_passes(dict(p=ClassPrototypes('backbone')), StepContext(LATER), teacher, samples.batches)
    vectors, classes = [], []
    for inputs, target in samples.batches():
        with torch.no_grad():
            features = teacher.segmentor.backbone(inputs)[-1]
            predicted = teacher(inputs).logits_at(features.shape[-2:]).argmax(1)
        background = labels_at(target, features.shape[-2:]) == 0
        vectors.append(features.permute(0, 2, 3, 1)[background])
        classes.append(predicted[background])
    vectors, classes = torch.cat(vectors), torch.cat(classes)
    assert found['prototype_counts'].tolist() == torch.bincount(classes, minlength=3).tolist()
    for channel in range(3):
        members = vectors[classes == channel]
        if len(members):
            torch.testing.assert_close(found['prototypes'][channel], members.mean(0), rtol=1e-5, atol=1e-6)
        else:
            assert found['prototypes'][channel].isnan().all()


def test_a_class_never_predicted_has_no_prototype() -> None:
    teacher = samples.teacher()
    with torch.no_grad():
        teacher.segmentor.decode_head.conv_seg.steps[0].bias[1] = -1e4
    found = run_passes(dict(p=ClassPrototypes('backbone.layer2')), StepContext(LATER), teacher, samples.batches)
    assert found['prototypes'][1].isnan().all() and found['prototype_counts'][1] == 0
    assert found['prototypes'].shape == (3, 8) and not found['prototypes'][0].isnan().any()
