"""MBS, composed from its recipe on Segmenter and, in our variant, on rows: labels, three or four losses, the start."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.fidelity.compose import ComposedStep, Composition, compare, compose
from tests.fidelity.network import Answer

METHODS = {'mbs': 'mbs_voc_15-1'}
PATCHES, TOKENS = 'decode_head.patch_proj', 'decode_head.classes_proj'
VOID = 255


def composed(recipe: str, method: str | None = None) -> Composition:
    """Returns the two steps, the first with answers of all kinds: sure ones, and background that it doubts."""
    run = compose(recipe, method)
    with torch.no_grad():
        segmentor = run.base.model.segmentor
        head = segmentor.decode_head
        if method is None:
            for name, parameter in segmentor.named_parameters():
                parameter *= 15 if parameter.ndim > 1 and not name.endswith('cls_emb') else 1
            for parameter in head.mask_norm.parameters():
                parameter *= 6
            head.mask_norm.bias[0] += 1.5
        else:
            head.conv_seg.steps[0].bias[0] += 2.5
    return run


def completed(step: ComposedStep, teacher: Tensor) -> Tensor:
    """The old model's class where it is sure; background that is less likely than the rest is ignored."""
    p = torch.softmax(teacher, 1)
    best, seen = p.max(1)
    labels = torch.where((step.target == 0) & (seen > 0) & (best >= 0.7), seen, step.target)
    ignored = (labels == 0) & (p[:, 0] < p[:, 1:].sum(1))
    assert ignored.any() and (labels != step.target).any() and (labels.where(~ignored, VOID) == 0).any()
    return labels.where(~ignored, VOID)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the pixels that are not ignored."""
    log = torch.log_softmax(logits, 1)
    return -torch.stack([log[n, labels[n, i, j], i, j] for n, i, j in (labels != VOID).nonzero().tolist()]).mean()


def guided(logits: Tensor, teacher: Tensor, given: Tensor) -> Tensor:
    """A labelled new class takes over the teacher's background; mean over classes and over pixels that are not void."""
    q = torch.cat([torch.softmax(teacher, 1), torch.zeros_like(logits[:, 4:])], 1)
    for channel in (4, 5):
        new = given == channel
        q[:, channel] = torch.where(new, q[:, 0], q[:, channel])
        q[:, 0] = q[:, 0].masked_fill(new, 0)
    torch.testing.assert_close(q.sum(1), torch.ones_like(q[:, 0]))
    return -(q * torch.log_softmax(logits, 1)).mean(1)[given != VOID].mean()


def kept(new: Tensor, old: Tensor, labels: Tensor, background: Tensor) -> Tensor:
    """Squares ``(N, D, h, w)`` weighted by what the label of a position's first pixel says."""
    total, count = new.new_zeros(()), 0
    for n in range(len(new)):
        for i in range(new.shape[2]):
            for j in range(new.shape[3]):
                label = int(labels[n, 16 * i, 16 * j])
                weight = 0.0 if label >= 4 else 1.0 if label else float(background[n, i, j])
                total = total + weight * (new[n, :, i, j] - old[n, :, i, j]).square().sum()
                count += weight > 0
    return total / (count * new.shape[1])


def apart(vectors: Tensor) -> Tensor:
    """Mean absolute cosine of the two new vectors with the five others, which are held, times the new share."""
    total = vectors.new_zeros(())
    for i in (4, 5):
        for j in (k for k in range(6) if k != i):
            other = vectors[j].detach()
            total = total + ((vectors[i] * other).sum() / (vectors[i].norm() * other.norm())).abs()
    return total / 10 * 2 / 6


def mbs(step: ComposedStep, new: Answer, old: Answer, maps: tuple[Tensor, Tensor], vectors: Tensor) -> Tensor:
    """What both networks share."""
    labels, background = completed(step, old.logits), torch.softmax(old.small, 1)[:, 0]
    return (
        cross_entropy(new.logits, labels)
        + 25 * guided(new.logits, old.logits, step.target)
        + kept(*maps, labels, background)
        + apart(vectors)
    )


def test_on_segmenter() -> None:
    """With the patches' features as maps, and the tokens of old classes."""
    step = composed(METHODS['mbs']).later
    step.move()
    new, old = step.answer(PATCHES, TOKENS), step.teacher(PATCHES, TOKENS)
    maps = tuple(item.maps[PATCHES].transpose(1, 2).unflatten(2, (4, 4)) for item in (new, old))
    tokens = (new.maps[TOKENS][:, :4] - old.maps[TOKENS]).square().mean()
    vectors = step.model.segmentor.decode_head.cls_emb[0]
    compare(step, mbs(step, new, old, maps, vectors) + tokens)


def test_on_rows() -> None:
    """Ours: the embedding as map, rows as vectors."""
    step = composed('mib_voc_15-1', 'mbs').later
    step.move()
    new, old = step.answer(), step.teacher()
    vectors = step.model.segmentor.decode_head.conv_seg.weight[:, :, 0, 0]
    compare(step, mbs(step, new, old, (new.embedding, old.embedding), vectors))


def test_start_of_tokens() -> None:
    """The old background's; scale 1 and shift 0 in the norm over classes."""
    run = composed(METHODS['mbs'])
    old = {name: value.detach().clone() for name, value in run.base.model.segmentor.state_dict().items()}
    tokens, now = old['decode_head.cls_emb'], run.later.start
    torch.testing.assert_close(now['decode_head.cls_emb'], torch.cat([tokens, tokens[:, :1], tokens[:, :1]], 1))
    for leaf, value in (('weight', 1.0), ('bias', 0.0)):
        name = f'decode_head.mask_norm.{leaf}'
        torch.testing.assert_close(now[name], torch.cat([old[name], torch.full((2,), value, dtype=torch.float64)]))


@pytest.mark.parametrize('key', ['weight', 'bias'])
def test_start_of_rows(key: str) -> None:
    """The old background's, without MiB's share."""
    run = compose('mib_voc_15-1', 'mbs')
    old = run.base.rows(key)
    torch.testing.assert_close(run.later.rows(key), torch.cat([old, old[:1], old[:1]]))
