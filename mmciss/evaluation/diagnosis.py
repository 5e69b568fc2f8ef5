"""What went wrong in a run, in plain statements from measured facts, with the config key that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import confusion_shares
from mmciss.evaluation.scores import result_iou

UNKNOWN_IOU = 10.0
"""Below this IoU in percent, a class counts as not learned."""
LOST_IOU = 10.0
"""A class that lost more points of IoU in one step counts as overwritten."""
TAKEN = 0.05
"""The least share of its pixels that it has lost to one other class then."""
FALLING = 0.05
"""A loss that falls by more than this share from the third to the last quarter of a step is still falling."""
MOST_NAMED = 4
FEW_IMAGES = 10
FEW_PIXELS = 1e-3
"""A class with a smaller share of a step's pixels is rare."""
CURVE_POINTS = 20
UNTRAINED = 'A backbone whose features know more helps, or a method that trains (--method).'
FLAGS = {
    'steps.later.iters (or steps.later.epochs)': '--iters',
    'steps.later.iters': '--iters',
    'steps.later.lr': '--lr',
}
"""The flags of ``tools/extend.py`` for keys that an extension does not read."""


@dataclass(frozen=True)
class Finding:
    """One statement about a step.

    Attributes:
        step: The step's index.
        rule: ``'not_learned'``, ``'overwritten'``, ``'base_too_short'`` or ``'few_images'``.
        text: The statement, with its numbers.
        remedy: What helps, with the config key.
    """

    step: int
    rule: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f'Step {self.step}: {self.text} {self.remedy}'


def loss_curve(losses: Sequence[float], points: int = CURVE_POINTS) -> list[float]:
    """Returns the means of equal parts of a step's losses, at most ``points`` of them."""
    parts = np.array_split(np.asarray(losses, dtype=np.float64), min(points, max(1, len(losses))))
    return [round(float(part.mean()), 6) for part in parts if part.size]


def diagnose(results: Sequence[Mapping[str, Any] | None]) -> list[Finding]:
    """Looks for what went wrong in the steps of a run.

    Args:
        results: The content of every step's ``result.json``, None where it is missing. What an older version did not
            record is not judged.
    """
    found = []
    for index, result in enumerate(results):
        if result is None or not result.get('confusion'):
            continue
        before = results[index - 1] if index else None
        found += [*few_images(result), *base_too_short(result), *base_not_learned(result), *not_learned(result)]
        if before is not None and before.get('confusion'):
            found += overwritten(result, before)
    extends = bool(results) and bool((results[0] or {}).get('adopted_from'))
    return [_with_flags(finding) for finding in found] if extends else found


def _with_flags(finding: Finding) -> Finding:
    remedy = finding.remedy
    for key, flag in FLAGS.items():
        remedy = remedy.replace(key, flag)
    return replace(finding, remedy=remedy)


def few_images(result: Mapping[str, Any]) -> list[Finding]:
    """Finds a step with fewer images than a batch."""
    images, batch = result.get('train_images'), result.get('batch_size')
    if images is None or batch is None or images >= batch:
        return []
    text = f'its {images} training image{"" if images == 1 else "s"} do not fill a batch of {batch}.'
    return [Finding(result['step'], 'few_images', text, 'Set train_dataloader.batch_size lower, or add images.')]


def fall(result: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the mean loss of the third and of the last quarter of a step, if it has at least four points."""
    curve = np.asarray(result.get('loss_curve') or [], dtype=np.float64)
    if curve.size < 4 or not np.isfinite(curve).all():
        return None
    third, last = np.array_split(curve, 4)[2:]
    return float(third.mean()), float(last.mean())


def _falls(result: Mapping[str, Any]) -> str:
    """Returns how a step's loss still falls, in words; empty if it has settled or was not recorded."""
    quarters = fall(result)
    if quarters is None or quarters[1] > (1 - FALLING) * quarters[0]:
        return ''
    return f'the training loss was still falling ({quarters[0]:.3g} to {quarters[1]:.3g} in the last quarters)'


def base_too_short(result: Mapping[str, Any]) -> list[Finding]:
    """Finds a base step that ended before its loss had settled and its classes were known."""
    iou = result_iou(result)
    names = list(result['classes'])
    first = int(result.get('background', True))
    unknown = [name for name, value in zip(names[first:], iou[first:], strict=True) if value < UNKNOWN_IOU]
    falling = _falls(result)
    if result['step'] or not falling or not unknown:
        return []
    share = f'{len(unknown)} of {len(names) - first} classes are below {UNKNOWN_IOU:.0f} % IoU'
    text = f'the base step was too short: {falling}, and {share}. Every later step starts from it.'
    return [Finding(0, 'base_too_short', text, 'Raise steps.base.iters (or steps.base.epochs).')]


def base_not_learned(result: Mapping[str, Any]) -> list[Finding]:
    """Finds the classes that a base step did not learn although its loss had settled; they may be many."""
    if result['step'] or result.get('loss_curve') is None or _falls(result):
        return []
    iou, names = result_iou(result), list(result['classes'])
    first = int(result.get('background', True))
    rows = confusion_shares(np.asarray(result['confusion']))
    unknown = []
    for channel in range(first, len(names)):
        if iou[channel] < UNKNOWN_IOU:
            facts = [f'IoU {iou[channel]:.1f}', _called(rows, names, channel), _scarce(result, names[channel])[0]]
            unknown.append((-iou[channel], f'{names[channel]} ({", ".join(filter(None, facts))})'))
    if not unknown:
        return []
    text = f'{len(unknown)} of {len(names) - first} classes were not learned: {_worst(unknown)}.'
    remedy = (
        UNTRAINED
        if result.get('iterations') == 0
        else (
            'Raise steps.base.lr or steps.base.iters, start from pretrained weights (model.backbone.init_cfg), or add '
            'images of what few images show.'
        )
    )
    return [Finding(0, 'not_learned', text, remedy)]


def not_learned(result: Mapping[str, Any]) -> list[Finding]:
    """Finds the new classes that a later step did not learn, with the likely reason."""
    if not result['step']:
        return []
    iou, names, sizes = result_iou(result), list(result['classes']), result['sizes']
    rows = confusion_shares(np.asarray(result['confusion']))
    found = []
    for channel in range(sum(sizes[:-1]), sum(sizes)):
        if not iou[channel] < UNKNOWN_IOU:
            continue
        reason, remedy = _reason(result, names[channel])
        facts = '; '.join(filter(None, (_called(rows, names, channel), reason)))
        text = f'{names[channel]} was not learned (IoU {iou[channel]:.1f}): {facts}.'
        found.append(Finding(result['step'], 'not_learned', text, remedy))
    return found


def _called(rows: np.ndarray, names: Sequence[str], channel: int) -> str:
    """Returns what most pixels of a class are called, in words; empty if that is its name."""
    taker = int(rows[channel].argmax())
    return '' if taker == channel else f'{100 * rows[channel, taker]:.0f} % of its pixels are called {names[taker]}'


def _scarce(result: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Returns how little a step shows of a class, and what helps; two empty texts if that is enough."""
    counts = (result.get('new_classes') or {}).get(name)
    if counts is not None and counts['images'] < FEW_IMAGES:
        images = counts['images']
        return f'only {images} training image{"" if images == 1 else "s"} show it', 'Add labelled images of it.'
    if counts is not None and counts['share'] < FEW_PIXELS:
        share = f'it has only {100 * counts["share"]:.2g} % of the labelled pixels of the step'
        return share, 'A larger crop, or a loss that weighs it more (method.main_loss), gives it more of a say.'
    return '', ''


def _reason(result: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Returns why a later step probably did not learn a class, and what helps."""
    scarce = _scarce(result, name)
    if scarce[0]:
        return scarce
    if result.get('iterations') == 0:
        return 'nothing was trained in this step', UNTRAINED
    if falling := _falls(result):
        return falling, 'Raise steps.later.iters (or steps.later.epochs).'
    if fall(result) is not None:
        return (
            'the training loss had settled',
            (
                'Raise steps.later.lr, or the rate of new rows alone: lr_mult of "steps.new." in '
                'optim_wrapper.paramwise_cfg.custom_keys (1 where it is not set; some methods set 10).'
            ),
        )
    return '', 'More iterations (steps.later.iters) or a higher rate (steps.later.lr) may help.'


def overwritten(result: Mapping[str, Any], before: Mapping[str, Any]) -> list[Finding]:
    """Finds the old classes that a step overwrote, by what took them."""
    iou, earlier, names = result_iou(result), result_iou(before), list(result['classes'])
    background = result.get('background', True)
    grown = confusion_shares(np.asarray(result['confusion']))
    known = len(earlier)
    grown[:known, :known] -= confusion_shares(np.asarray(before['confusion']))
    taken: dict[int, list[tuple[float, str]]] = {}
    for channel in range(int(background), known):
        if not earlier[channel] - iou[channel] > LOST_IOU:
            continue
        others = grown[channel].copy()
        others[channel] = -np.inf
        taker = int(others.argmax())
        if others[taker] < TAKEN:
            continue  # it has its pixels, and those of another class, of which there is another statement
        change = f'{earlier[channel]:.1f} to {iou[channel]:.1f}, {100 * others[taker]:.0f} % of its pixels'
        taken.setdefault(taker, []).append((earlier[channel] - iou[channel], f'{names[channel]} ({change})'))
    untrained = result.get('iterations') == 0
    return [
        Finding(
            result['step'],
            'overwritten',
            f'{names[taker]} took {_worst(facts)}.',
            UNTRAINED if untrained else _remedy(taker, known, background),
        )
        for taker, facts in sorted(taken.items())
    ]


def _worst(facts: Sequence[tuple[float, str]]) -> str:
    """Returns what weighs most in words; a report has the rest in its tables."""
    shown = [text for _, text in sorted(facts, key=lambda fact: -fact[0])]
    more = len(shown) - MOST_NAMED
    return ', '.join(shown[:MOST_NAMED]) + (f' and {more} more' if more > 0 else '')


def _remedy(taker: int, known: int, background: bool) -> str:
    if background and taker == 0:
        return (
            'Old classes are hidden in the background of the labels: a method that models the background (--method, '
            'see docs/methods) helps, or more of its distillation (loss_weight in method.losses).'
        )
    if taker >= known:
        return (
            'More distillation (loss_weight in method.losses), fewer iterations (steps.later.iters) or a lower rate '
            '(steps.later.lr) keep more of the old classes.'
        )
    return 'The classes are both old: a lower rate (steps.later.lr) or frozen layers (method.freeze) disturb them less.'
