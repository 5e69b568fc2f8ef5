"""What a slot may know about its step: one object, made once per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.utils.files import load_tensors

if TYPE_CHECKING:
    from mmciss.datasets.incremental_dataset import IncrementalDataset
    from mmciss.engine.runner.schedule import StepPlan
    from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
    from mmciss.models.teacher import Teacher
    from mmciss.protocols.step import Step


@dataclass(frozen=True)
class StepState:
    """What a finished step left for the next one, as paths.

    Attributes:
        model: Its ``model.pth``, a plain checkpoint.
        state: Its ``state.pth``, which is missing if a plain checkpoint stands in for the step.
        memory: Its ``memory.json``, if the method stores images.
    """

    model: str | Path
    state: str | Path | None = None
    memory: str | Path | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Returns the paths as a plain dictionary, for configs."""
        paths = {'model': self.model, 'state': self.state, 'memory': self.memory}
        return {name: None if path is None else str(path) for name, path in paths.items()}

    @cached_property
    def content(self) -> dict[str, Any]:
        """The content of ``state.pth``, read on first use; empty if there is no such file."""
        return load_tensors(self.state) if self.state is not None and Path(self.state).is_file() else {}

    def slot(self, key: str) -> dict[str, Any]:
        """Returns what the slot with this key, such as ``'losses.kd'``, left; empty if it left nothing."""
        room, _, name = key.partition('.')
        left = self.content.get(room, {})
        if not name or name in left:
            return left[name] if name else left
        return {rest: value for item, value in left.items() for rest in [item.removeprefix(f'{name}.')] if rest != item}

    @property
    def statistics(self) -> dict[str, Any]:
        """The results of the passes after training."""
        return self.content.get('statistics', {})


class StepContext:
    """Everything that the slots of a method may know about their step.

    Args:
        step: The step: its classes and sizes.
        previous: What the previous step left, or None at the base step.
        plan: Iterations and learning rate of the step, if a runner made the context.
        statistics: Statistics that are already known, by name.
        data: The step's training data, if a runner made the context: ``data.indices`` are the images that the step
            sees, ``data.table`` maps the labels of the data set to channels.

    Attributes:
        statistics: Results of passes over the data, by name. Those of passes before training are there before weights
            are loaded, those of passes after training before :meth:`~mmciss.models.slot.SlotLife.end` is called.
        model: The :class:`~mmciss.models.segmentors.incremental_segmentor.IncrementalSegmentor`, once it is built.

    Examples:
        >>> from mmciss.protocols.protocol import Protocol
        >>> StepContext(Protocol.from_name('15-1', 20)[2]).step.num_old
        17
    """

    def __init__(
        self,
        step: Step,
        previous: StepState | None = None,
        plan: StepPlan | None = None,
        statistics: Mapping[str, Any] | None = None,
        data: IncrementalDataset | None = None,
    ) -> None:
        self.step = step
        self.previous = previous
        self.plan = plan
        self.data = data
        self.statistics: dict[str, Any] = dict(statistics or {})
        self.model: IncrementalSegmentor | None = None

    def __deepcopy__(self, memo: dict[str, Any]) -> StepContext:
        # An EMA copies the model with its slots; the copy shares the context.
        return self

    @property
    def teacher(self) -> Teacher | None:
        """The model of the previous step, if it is attached."""
        return None if self.model is None else self.model.teacher

    @property
    def shared(self) -> Mapping[str, Any]:
        """The objects that the slots of the method share, by their name in ``method.shared``."""
        return {} if self.model is None else dict(self.model.shared.items())

    def statistic(self, name: str, who: object, like: Tensor | None = None) -> Any:
        """Returns a statistic.

        Args:
            name: Its name.
            who: The slot that asks, for the error message.
            like: A tensor to whose device the statistic is moved.

        Raises:
            ConfigError: If no pass of the method finds it.
        """
        if name not in self.statistics:
            raise ConfigError(
                f'method.statistics: {type(who).__name__} needs {name!r}, found '
                f'{sorted(self.statistics) or "none"}; add the pass that computes it'
            )
        value = self.statistics[name]
        return value if like is None else value.to(like.device)
