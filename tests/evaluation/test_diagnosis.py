"""Each rule, on results that provoke it and on results that do not."""

from __future__ import annotations

import numpy as np
import pytest

from mmciss.evaluation.diagnosis import UNTRAINED, diagnose, loss_curve


def step(index: int, called: dict[str, dict[str, int]] | None = None, **facts: object) -> dict:
    """A step in which each class has a thousand pixels, all right but for those in ``called``."""
    names = ['background', 'cat', 'cow', 'horse'][: 3 + index]
    confusion = np.diag([1000] * len(names))
    for truth, others in (called or {}).items():
        for name, count in others.items():
            row = names.index(truth)
            confusion[row, names.index(name)] += count
            confusion[row, row] -= count
    facts = dict(batch_size=8, train_images=50, loss_curve=[1.0, 0.5, 0.4, 0.4]) | facts
    return dict(step=index, sizes=[3, 1][: index + 1], classes=names, confusion=confusion.tolist(), **facts)


def rules(*results: dict) -> list[tuple[int, str]]:
    return [(finding.step, finding.rule) for finding in diagnose(results)]


def test_nothing_is_said_of_a_run_that_went_well() -> None:
    assert diagnose([step(0), step(1)]) == []
    assert diagnose([step(0), None]) == []


def test_few_images() -> None:
    (found,) = diagnose([step(0, train_images=3)])
    assert (found.step, found.rule) == (0, 'few_images')
    assert str(found).startswith('Step 0: its 3 training images do not fill a batch of 8.')
    assert 'train_dataloader.batch_size' in found.remedy


UNKNOWN = dict(cat=dict(background=980))


def test_a_base_step_is_too_short_if_its_loss_falls_and_a_class_is_unknown() -> None:
    falling = [1.0, 0.8, 0.6, 0.4]
    (found,) = diagnose([step(0, UNKNOWN, loss_curve=falling)])
    assert found.rule == 'base_too_short' and 'steps.base.iters' in found.remedy
    assert '(0.6 to 0.4 in the last quarters), and 1 of 2 classes are below 10 % IoU' in found.text
    assert rules(step(0, loss_curve=falling)) == []


def test_classes_that_a_base_step_did_not_learn_are_named_though_its_loss_had_settled() -> None:
    (found,) = diagnose([step(0, dict(cat=dict(background=980), cow=dict(cat=1000)), iterations=100)])
    assert found.rule == 'not_learned' and 'steps.base.lr' in found.remedy and 'init_cfg' in found.remedy
    assert found.text == (
        '2 of 2 classes were not learned: cow (IoU 0.0, 100 % of its pixels are called cat), '
        'cat (IoU 1.0, 98 % of its pixels are called background).'
    )
    few = dict(cat=dict(images=4, share=0.2))
    (found,) = diagnose([step(0, UNKNOWN, new_classes=few)])
    assert found.text.startswith('1 of 2') and 'only 4 training images show it)' in found.text
    assert rules(step(0, UNKNOWN, adopted_from='weights.pth', loss_curve=None)) == [], "the model is the user's own"


def test_what_is_not_trained_is_not_told_to_train_longer() -> None:
    facts = dict(iterations=0, loss_curve=[])
    found = diagnose([step(0, UNKNOWN, **facts), step(1, UNKNOWN | dict(horse=dict(background=980)), **facts)])
    assert [(item.step, item.rule) for item in found] == [(0, 'not_learned'), (1, 'not_learned')]
    assert all('a method that trains' in item.remedy and 'iters' not in item.remedy for item in found)


@pytest.mark.parametrize(
    ('facts', 'said', 'key'),
    [
        (dict(loss_curve=[1.0, 0.8, 0.6, 0.4]), 'still falling (0.6 to 0.4', 'steps.later.iters'),
        (dict(loss_curve=[1.0, 0.4, 0.4, 0.4]), 'had settled', 'steps.later.lr'),
        (dict(new_classes=dict(horse=dict(images=4, share=0.2))), 'only 4 training images show it', 'labelled images'),
        (dict(new_classes=dict(horse=dict(images=40, share=2e-4))), 'only 0.02 % of the labelled pixels', 'crop'),
        (dict(loss_curve=None), '98 % of its pixels are called background.', 'steps.later.iters'),
    ],
)
def test_a_new_class_that_was_not_learned_has_its_reason(facts: dict, said: str, key: str) -> None:
    (found,) = diagnose([step(0), step(1, dict(horse=dict(background=980)), **facts)])
    assert (found.step, found.rule) == (1, 'not_learned')
    assert found.text.startswith('horse was not learned (IoU 2.0): 98 % of its pixels are called background')
    assert said in found.text and key in found.remedy


@pytest.mark.parametrize(
    ('curve', 'remedy'),
    [
        ([1.0, 0.8, 0.6, 0.4], 'Raise --iters.'),
        ([1.0, 0.4, 0.4, 0.4], 'Raise --lr, or the rate of new rows alone'),
        (None, 'More iterations (--iters) or a higher rate (--lr) may help.'),
    ],
)
def test_an_extension_has_flags_for_what_it_does_not_read(curve: list[float] | None, remedy: str) -> None:
    learned = step(1, dict(horse=dict(background=980)), loss_curve=curve)
    (found,) = diagnose([step(0, adopted_from='weights.pth'), learned])
    assert found.remedy.startswith(remedy) and 'steps.later' not in found.remedy


def test_old_classes_are_listed_by_what_took_them() -> None:
    before = step(0, dict(cat=dict(cow=100)))
    after = step(1, dict(cat=dict(cow=100, horse=600), cow=dict(background=500)))
    background, horse = diagnose([before, after])
    assert background.rule == horse.rule == 'overwritten'
    assert background.text.startswith('background took cow (') and '50 % of its pixels' in background.text
    assert horse.text.startswith('horse took cat (') and '60 % of its pixels' in horse.text
    assert 'models the background (--method' in background.remedy and 'method.losses' in horse.remedy


def test_a_step_without_training_has_no_rate_to_lower() -> None:
    (found,) = diagnose([step(0), step(1, dict(cat=dict(horse=600)), iterations=0)])
    assert found.rule == 'overwritten' and found.remedy == UNTRAINED


def test_the_four_largest_losses_are_named() -> None:
    names = ['background', *'abcdef', 'horse']
    before, after = np.diag([1000] * 7), np.diag([1000] * 8)
    for channel in range(1, 7):
        after[channel, [channel, 0]] = [500 - 50 * channel, 500 + 50 * channel]
    (found,) = diagnose(
        [
            dict(step=0, sizes=[7], classes=names[:7], confusion=before.tolist()),
            dict(step=1, sizes=[7, 1], classes=names, confusion=after.tolist()),
        ]
    )
    assert found.text.startswith('background took f (') and found.text.endswith(') and 2 more.')
    assert [name for name in 'abcdef' if f' {name} (' in found.text] == ['c', 'd', 'e', 'f']


def test_what_was_confused_before_is_not_held_against_the_step() -> None:
    before = step(0, dict(cat=dict(cow=700)))
    assert rules(before, step(1, dict(cat=dict(cow=700, horse=10)))) == []


def test_old_classes_may_take_from_each_other() -> None:
    (found,) = diagnose([step(0), step(1, dict(cat=dict(cow=500)))])
    assert found.text.startswith('cow took cat') and 'both old' in found.remedy


def test_results_of_older_versions_lack_facts() -> None:
    old = step(1, dict(horse=dict(background=980)))
    for key in ('batch_size', 'train_images', 'loss_curve'):
        del old[key]
    assert rules(step(0), old) == [(1, 'not_learned')]


def test_loss_curve_has_means_of_equal_parts() -> None:
    assert loss_curve(range(8), points=4) == [0.5, 2.5, 4.5, 6.5]
    assert loss_curve([3.0, 1.0], points=4) == [3.0, 1.0]
    assert loss_curve([]) == []
