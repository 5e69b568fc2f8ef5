"""The base class of structures."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.models.slot import Slot
from mmciss.registry import STRUCTURES

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.protocols.step import Step


class Structure(Slot):
    """Base class: changes the layers of a student in place, and converts them back for the plain model.

    A finished step is exported without the structure and gives the same logits. So the teacher of the next step is a
    plain model, and a structure can start from any plain model. A structure that cannot be converted sets
    ``in_plain_model`` to False.

    Attributes:
        kept: Parts of the names of tensors that the next step needs and the plain model does not have; set by
            :meth:`install`.
        in_plain_model: Whether a plain model can compute the same. If not, the exported model and the teacher have the
            structure too, and loading them needs mmciss.
        changes_trunk: Whether layers before the main classifier are changed.
        solved: Whether later steps have no training iteration, since :meth:`end` solves for what they learn out of
            passes over the data.
    """

    kept: tuple[str, ...] = ()
    in_plain_model: ClassVar[bool] = True
    changes_trunk: ClassVar[bool] = True
    solved: ClassVar[bool] = False

    def install(self, segmentor: BaseSegmentor, step: Step) -> None:
        """Changes a segmentor, before any weights are loaded and before it is wrapped.

        Args:
            segmentor: The student.
            step: The step that the student learns.
        """
        raise NotImplementedError

    def initialise(self, segmentor: BaseSegmentor, initialise: Callable[[], None]) -> None:
        """Initialises the base step's layers with random or pretrained weights, as MMSegmentation does.

        Args:
            segmentor: The student.
            initialise: Initialises the layers that the segmentor has when it is called.
        """
        initialise()

    def export(self, segmentor: BaseSegmentor, weights: MutableMapping[str, Tensor]) -> None:
        """Replaces the structure's own tensors with those of plain layers, in place.

        Args:
            segmentor: The student.
            weights: Its weights by name.
        """
        raise NotImplementedError

    def export_config(self, segmentor: BaseSegmentor, model: dict[str, Any]) -> None:
        """Adds the structure to the exported model's config, in place, if no plain model can replace it.

        Args:
            segmentor: The student.
            model: Config of the plain segmentor.
        """

    @classmethod
    def take_out(cls, model: dict[str, Any], weights: dict[str, Tensor], state: dict[str, Any]) -> TakenOut | None:
        """Takes the structure out of an exported model, for extending the model; as if all classes came with one step.

        Args:
            model: Config of the exported segmentor, changed in place.
            weights: Its weights, changed in place.
            state: What its last step left (``state.pth``), changed in place.

        Returns:
            None if the model does not have this structure, or no further step can go on with it.
        """
        return None


class TakenOut(NamedTuple):
    """A structure that was taken out of an exported model.

    Attributes:
        structure: Config of ``method.structure``.
        model: Config of the plain segmentor that is left.
    """

    structure: dict[str, Any]
    model: dict[str, Any]


def take_out_structure(model: dict[str, Any], weights: dict[str, Tensor], state: dict[str, Any]) -> TakenOut | None:
    """Takes out of an exported model the structure that it has, if any, see :meth:`Structure.take_out`."""
    found = (kind.take_out(model, weights, state) for kind in STRUCTURES.module_dict.values())
    return next((item for item in found if item is not None), None)


def build_exported_head(head: dict[str, Any], sizes: Sequence[int], why: str) -> Any:
    """Builds the decode head of an exported model that keeps a structure, which then takes the place of its classifier.

    Args:
        head: Config of the decode head.
        sizes: Channels added by each step.
        why: Why the model cannot get more classes, for the error.

    Raises:
        ConfigError: If the sizes are not the classes of the head.
    """
    built = MODELS.build(head)
    if sum(sizes) != built.num_classes:
        raise ConfigError(
            f'model.decode_head.sizes: {list(sizes)} are {sum(sizes)} channels, but '
            f'model.decode_head.head.num_classes={built.num_classes}. {why}'
        )
    return built
