"""Steps and classifiers for the tests of initializers."""

from __future__ import annotations

from mmciss.models.classifiers import GrowableConv2d
from mmciss.protocols.step import Step


def later_step(new: int = 2, background: bool = True) -> Step:
    """A second step after a base step with three foreground classes."""
    names = ('background',) * background + tuple(f'c{k}' for k in range(1, 4 + new))
    return Step(
        1, new=tuple(range(4, 4 + new)), old=(1, 2, 3), sizes=(3 + background, new), names=names, background=background
    )


def classifier_of(step: Step, embedding: int = 6, **options: object) -> GrowableConv2d:
    """A random classifier with the step's channels."""
    return GrowableConv2d(embedding, step.sizes, **options)
