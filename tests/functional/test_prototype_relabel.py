"""Tests of GSC's pseudo labels."""

from __future__ import annotations

import torch

from mmciss.functional import prototype_relabel, rectified_log_probabilities
from tests.functional import closed_form as cf


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return cf.wave((2, 5, 8, 8), 0.3, 0.2), cf.wave((4, 5), 0.7, 0.1)


def test_equals_the_equation() -> None:
    features, prototypes = inputs()
    zo, y = cf.teacher_logits(), cf.labels()
    distance = (features.unsqueeze(1) - prototypes.view(1, 4, 5, 1, 1)).norm(dim=2)
    q = (-2 * distance).softmax(1) * zo.softmax(1)
    torch.testing.assert_close(
        rectified_log_probabilities(zo, features, prototypes, 2.0).exp(),
        q / q.sum(1, keepdim=True),
        rtol=1e-4,
        atol=1e-6,
    )
    found = prototype_relabel(y, zo, features, prototypes, 4, temperature=2.0)
    assert torch.equal(found, torch.where(y < 4, q.argmax(1), y))


def test_without_temperature_it_is_the_teacher() -> None:
    features, prototypes = inputs()
    found = prototype_relabel(cf.labels(), cf.teacher_logits(), features, prototypes, 4, 0.0)
    old = cf.labels() < 4
    assert torch.equal(found[old], cf.teacher_logits().argmax(1)[old])


def test_prototypes_decide_where_the_teacher_does_not_know() -> None:
    features, prototypes = torch.zeros(1, 2, 1, 1), torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    found = prototype_relabel(torch.zeros(1, 4, 4, dtype=torch.long), torch.zeros(1, 3, 4, 4), features, prototypes, 3)
    assert (found == 1).all()


def test_coarse_features_and_more_prototypes_than_old_channels() -> None:
    features, prototypes = inputs()
    more = torch.cat([prototypes, prototypes])
    scores = rectified_log_probabilities(cf.teacher_logits(), features[..., ::4, ::4], prototypes)
    assert scores.shape == (2, 4, 8, 8)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(2, 8, 8))
    assert torch.equal(
        prototype_relabel(cf.labels(), cf.teacher_logits(), features, more, 4),
        prototype_relabel(cf.labels(), cf.teacher_logits(), features, prototypes, 4),
    )


def test_a_class_without_prototype_is_never_chosen() -> None:
    features, prototypes = inputs()
    prototypes[1] = float('nan')
    logits = cf.teacher_logits()
    logits[:, 1] += 50
    for size in ((8, 8), (16, 16)):
        large = torch.nn.functional.interpolate(logits, size)
        q = rectified_log_probabilities(large, features, prototypes).exp()
        assert not q[:, 1].any() and not q.isnan().any()
        torch.testing.assert_close(q.sum(1), torch.ones(2, *size))
    # Without any prototype at all the teacher decides alone.
    q = rectified_log_probabilities(logits, features, prototypes * float('nan')).exp()
    assert (q.argmax(1) == logits.argmax(1)).all()
