"""Layers that grow: one group of rows per step, one fused operation in forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.utils.private_api import AdaptsState

NOT_ROWS = (
    'these weights have one row per class, but this model has layers before its rows (method.structure) and cannot '
    'start from them. Train the base step with the same structure, or set method.structure=None'
)


class Growable(AdaptsState):
    """What growable layers share: the groups ``steps.k``, and the attributes of the layer they replace.

    ``steps.k`` holds the rows that step k added, so that a config can freeze them or give them their own learning
    rate by name. ``weight`` and ``bias`` are all rows in channel order; rows that are part of the output but no class
    (``rest``, such as 'no object') come last.

    ``state_dict()`` is not overridden: mmengine broadcasts its tensors in place when training starts, and concatenated
    copies would not reach the parameters. A layer loads both its own keys and the ``weight`` and ``bias`` of the layer
    it replaces.

    Args:
        sizes: Channels added by each step; a step may add none.
        new_layer: Makes an ordinary layer with a given number of output channels.
        auxiliary: Number of auxiliary channels, which are not classes. They are not part of the output, see
            :meth:`auxiliary_logits`.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        rest: Number of rows after the classes that are part of the output, such as 'no object'.
        future: Number of rows for classes of later steps. They follow the known classes in the output while the layer
            is in training mode, so that a softmax over all rows pushes them down. Nothing else sees them, and no
            prediction can be one of them.
        background: Whether the first row, the background's, is a group of its own.

    Attributes:
        linear: Whether the output is the rows times the input.

    Raises:
        ValueError: If the first step adds no channel or a size is negative.
    """

    linear: ClassVar[bool] = True

    def __init__(
        self,
        sizes: Sequence[int],
        new_layer: Callable[[int], Any],
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        background: bool = False,
    ) -> None:
        super().__init__()
        sizes = tuple(int(size) for size in sizes)
        if not sizes or sizes[0] < 1 or min(sizes) < 0 or min(auxiliary, rest, future) < 0:
            raise ValueError(
                f'a classifier needs sizes such as (16, 1, 1), and auxiliary, rest and future >= 0, '
                f'found sizes={sizes}, auxiliary={auxiliary}, rest={rest}, future={future}'
            )
        self.sizes = sizes
        self.detach_auxiliary = detach_auxiliary
        # A step without channels keeps its place, so that steps[k] belongs to step k.
        rows = (sizes[0] - background, *sizes[1:])
        self.background = new_layer(1) if background else None
        self.steps = nn.ModuleList(new_layer(size) if size else nn.Identity() for size in rows)
        self.rest = new_layer(rest) if rest else None
        self.future = new_layer(future) if future else None
        self.auxiliary = new_layer(auxiliary) if auxiliary else None

    @property
    def all_groups(self) -> list[Any]:
        """The groups in the order of the output: background, steps, future classes, rest; empty ones left out."""
        groups = (self.background, *self.steps, self.future, self.rest)
        return [group for group in groups if group is not None and not isinstance(group, nn.Identity)]

    @property
    def groups(self) -> list[Any]:
        """The same without future classes."""
        return [group for group in self.all_groups if group is not self.future]

    @property
    def output_groups(self) -> list[Any]:
        """The groups that the output has in the present mode: future classes in training mode only."""
        return self.all_groups if self.training else self.groups

    @property
    def background_group(self) -> Any:
        """The group whose first row is the background's, in protocols that have one."""
        return self.steps[0] if self.background is None else self.background

    @property
    def background_prefix(self) -> str:
        """Prefix of the names of that group's tensors."""
        return 'steps.0.' if self.background is None else 'background.'

    @property
    def weight(self) -> Tensor:
        """Rows of all classes in channel order and the rest, ``(C, D, 1, 1)`` or ``(C, D)``."""
        return joined_rows(self.groups)[0]

    @property
    def bias(self) -> Tensor | None:
        """Biases of all classes in channel order and the rest, ``(C,)``, or None for a layer without."""
        return joined_rows(self.groups)[1]

    @property
    def out_channels(self) -> int:
        """Number of classes seen; neither auxiliary channels nor the rest count."""
        return sum(self.sizes)

    @property
    def num_rest(self) -> int:
        """Number of rows after the classes."""
        return 0 if self.rest is None else len(self.rest.weight)

    @property
    def num_future(self) -> int:
        """Number of rows for classes of later steps."""
        return 0 if self.future is None else len(self.future.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of all classes."""
        raise NotImplementedError

    def exported(self) -> dict[str, Tensor]:
        """Returns the weights that an exported model has in this place, by name."""
        return {
            leaf: rows.detach() for leaf, rows in (('weight', self.weight), ('bias', self.bias)) if rows is not None
        }

    def auxiliary_logits(self, embedding: Tensor) -> Tensor | None:
        """Returns the output of the auxiliary channels for an embedding, or None without any."""
        if self.auxiliary is None:
            return None
        return self.auxiliary(embedding.detach() if self.detach_auxiliary else embedding)

    def extra_repr(self) -> str:
        """Shows the sizes."""
        return f'sizes={self.sizes}' + ''.join(
            f', {name}={count}' for name, count in (('rest', self.num_rest), ('future', self.num_future)) if count
        )

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Splits the ``weight`` and ``bias`` of the replaced layer; the number of rows must be that of this layer."""
        rows = state.get(f'{prefix}weight')
        if rows is None:
            return
        if not self.linear:
            errors.append(f'{prefix}weight: {NOT_ROWS}')
        elif len(rows) == self.out_channels + self.num_rest:
            self.split_rows(state, prefix)
        else:
            rest = f', and {self.num_rest} rows after them' if self.num_rest else ''
            errors.append(
                f'{prefix}weight has {len(rows)} rows but this model has {self.out_channels} channels, '
                f'{self.sizes} by step{rest}'
            )
            state.pop(f'{prefix}weight')
            state.pop(f'{prefix}bias', None)

    def split_rows(self, state: dict[str, Any], prefix: str) -> int:
        """Replaces ``weight`` and ``bias`` in a state by the names of this layer's groups, in place.

        Args:
            state: The weights; the rows must be those of the first steps, and the rest.
            prefix: Name of the layer in ``state``, with its dot.

        Returns:
            Number of steps that the rows cover.

        Raises:
            ValueError: If the rows end in the middle of a step, or this layer has more than rows.
        """
        if not self.linear:
            raise ValueError(f'{prefix}weight: {NOT_ROWS}')
        rows = len(state[f'{prefix}weight']) - self.num_rest
        ends = [sum(self.sizes[: k + 1]) for k in range(len(self.sizes))]
        if rows not in ends:
            raise ValueError(
                f'{prefix}weight has {rows} rows, which is not where a step ends; the steps of this model add '
                f'{self.sizes} channels'
            )
        covered = len(ends) - ends[::-1].index(rows)  # the last such step: those after it may add none
        for key in ('weight', 'bias'):
            tensor = state.pop(f'{prefix}{key}', None)
            if tensor is None:
                continue
            for index, part in enumerate(tensor[:rows].split(self.sizes[:covered])):
                if self.sizes[index]:
                    state[f'{prefix}steps.{index}.{key}'] = part
            if self.num_rest:
                state[f'{prefix}rest.{key}'] = tensor[rows:]
        return covered


def joined_rows(groups: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
    """Returns weight and bias (or None) of several groups as one layer's."""
    first = groups[0]
    if len(groups) == 1:
        return first.weight, first.bias
    bias = None if first.bias is None else torch.cat([group.bias for group in groups])
    return torch.cat([group.weight for group in groups]), bias


def copy_row(source: nn.Module, row: int, target: nn.Module, bias: bool = True) -> None:
    """Makes every row of a group a copy of one row of another, together with all layers before it, in place.

    Args:
        source: The group to copy from.
        row: Which row.
        target: A group with the same layers.
        bias: Whether the rows' biases are copied.
    """
    given = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name in ('weight', 'bias'):
            if bias or name == 'weight':
                tensor.copy_(given[name][row : row + 1].expand_as(tensor))
        else:
            tensor.copy_(given[name])


def growable_layers(module: nn.Module) -> dict[str, Growable]:
    """Returns the growable layers inside a module by name."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, Growable)}


class GrowableConv(Growable):
    """What the growable convolutions share.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step.
        kernel_size: Size of the kernel.
        auxiliary: Number of auxiliary channels, which are not classes.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        rest: Number of rows after the classes that are part of the output.
        future: Number of rows for classes of later steps.
        **options: ``stride``, ``padding``, ``dilation``, ``bias``, ``device`` and ``dtype`` of the convolution.
    """

    _layer: ClassVar[type[nn.Module]]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        kernel_size: int | tuple[int, ...] = 1,
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        **options: Any,
    ) -> None:
        def new_layer(rows: int) -> nn.Module:
            return self._layer(in_channels, rows, kernel_size, **options)

        super().__init__(sizes, new_layer, auxiliary, detach_auxiliary, rest, future)
        first = self.steps[0]
        self.in_channels = in_channels
        self.kernel_size, self.stride = first.kernel_size, first.stride
        self.padding, self.dilation = first.padding, first.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(N, C, ...)`` of an embedding ``(N, D, ...)``."""
        return self._function(x, *joined_rows(self.output_groups), self.stride, self.padding, self.dilation)


class GrowableConv1d(GrowableConv):
    """A growable convolution over a list of points, the classifier of PointRend; arguments of :class:`GrowableConv`.

    Examples:
        >>> import torch
        >>> GrowableConv1d(8, (16, 1, 1))(torch.zeros(2, 8, 5)).shape
        torch.Size([2, 18, 5])
    """

    _layer = nn.Conv1d
    _function = staticmethod(F.conv1d)


class GrowableConv2d(GrowableConv):
    """A growable convolution, the classifier of nearly every decode head; arguments of :class:`GrowableConv`.

    Examples:
        >>> import torch
        >>> layer = GrowableConv2d(8, (16, 1, 1))
        >>> layer(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 18, 4, 4])
        >>> [name for name, _ in layer.named_parameters()][:2]
        ['steps.0.weight', 'steps.0.bias']
    """

    _layer = nn.Conv2d
    _function = staticmethod(F.conv2d)


class GrowableLinear(Growable):
    """A growable fully connected layer, such as the presence classifier of EncNet.

    Args:
        in_features: Features D of the input.
        sizes: Outputs added by each step.
        auxiliary: Number of auxiliary outputs, which are not classes.
        detach_auxiliary: Whether auxiliary outputs send no gradient into the input.
        rest: Number of outputs after the classes.
        future: Number of outputs for classes of later steps.
        **options: ``bias``, ``device`` and ``dtype`` of :class:`torch.nn.Linear`.
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        **options: Any,
    ) -> None:
        def new_layer(rows: int) -> nn.Module:
            return nn.Linear(in_features, rows, **options)

        super().__init__(sizes, new_layer, auxiliary, detach_auxiliary, rest, future)
        self.in_features = in_features

    @property
    def out_features(self) -> int:
        """Number of outputs, under the name that :class:`torch.nn.Linear` gives it."""
        return self.out_channels + self.num_rest

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(..., C)`` of ``(..., D)``."""
        return F.linear(x, *joined_rows(self.output_groups))
