"""What all structures share."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from mmciss.models.slot import Slot

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.protocols.step import Step


class Structure(Slot):
    """Base class: changes the layers of a student, in place, and says what the plain model is.

    The finished step is exported without the structure, and gives the same logits. So the teacher
    of the next step is a plain model, and any plain model can be the step that a structure starts
    from. A structure that no plain model can hold says so by ``in_plain_model``.

    Attributes:
        kept: Parts of the names of tensors that the next step needs and the plain model does not
            have; known once the segmentor was changed.
        in_plain_model: Whether the plain model can hold what the structure adds. If not, the exported model and the
            teacher have the structure too, and mmciss is needed to load them.
        changes_trunk: Whether layers before the main classifier are changed.
    """

    kept: tuple[str, ...] = ()
    in_plain_model: ClassVar[bool] = True
    changes_trunk: ClassVar[bool] = True

    def install(self, segmentor: BaseSegmentor, step: Step) -> None:
        """Changes a built segmentor, before any weights are loaded and before it is wrapped.

        Args:
            segmentor: The student.
            step: The step that it learns.
        """
        raise NotImplementedError

    def initialise(self, segmentor: BaseSegmentor, initialise: Callable[[], None]) -> None:
        """Lets MMSegmentation fill a base step's layers with random or pretrained weights.

        Args:
            segmentor: The student.
            initialise: Fills the layers that the segmentor has when it is called.
        """
        initialise()

    def export(self, segmentor: BaseSegmentor, weights: MutableMapping[str, Tensor]) -> None:
        """Replaces the structure's own tensors by those of the plain layers, in place.

        Args:
            segmentor: The student.
            weights: Its weights by name.
        """
        raise NotImplementedError

    def export_config(self, segmentor: BaseSegmentor, model: dict[str, Any]) -> None:
        """Changes the exported model's config where the plain model cannot hold the structure, in place.

        Args:
            segmentor: The student.
            model: Config of the plain segmentor.
        """
