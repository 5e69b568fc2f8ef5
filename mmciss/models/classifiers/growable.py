"""Classifiers that grow: one group of rows per step, one fused operation in forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmciss.models.classifiers.grown_parameters import widen_parameters


ONE_ROW = (
    'these weights have one row per class, and this model a head per step (method.structure); it cannot go on '
    'from them. Train the base step with the same structure, or set method.structure=None'
)


class Growable(nn.Module):
    """What growable layers share: the groups ``steps.k`` and the face of the layer they replace.

    ``steps.k`` holds the rows that step k added, so that a config can freeze them or give them
    their own learning rate by name. ``weight`` and ``bias`` are all of them in channel order; rows
    that are no class but part of the output (``rest``, such as 'no object') stay behind them.

    ``state_dict()`` is never overridden: at the start of training mmengine broadcasts its tensors
    in place, and concatenated copies would not reach the parameters. Loading takes both that native
    form and the plain ``weight`` and ``bias`` of the replaced layer.

    Args:
        sizes: Channels added by each step; a step may add none.
        new_layer: Makes a plain layer with a given number of output channels.
        auxiliary: Number of channels that are no class. They are not part of the output, see
            :meth:`auxiliary_logits`.
        detach_auxiliary: Whether auxiliary channels leave the embedding without gradient.
        rest: Number of rows behind those of the classes, which are part of the output.
        future: Number of rows of classes that later steps bring. They are part of the output while the layer is in
            training mode, behind the known classes, so that a softmax over all rows keeps them down; nothing else
            sees them, and no prediction can be one of them.
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
        new_layer: Callable[[int], nn.Module],
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
    def all_groups(self) -> list[nn.Module]:
        """The groups that have channels, those of future classes, and the rest."""
        groups = (self.background, *self.steps, self.future, self.rest)
        return [group for group in groups if group is not None and not isinstance(group, nn.Identity)]

    @property
    def groups(self) -> list[nn.Module]:
        """The groups that have channels, and the rest."""
        return [group for group in self.all_groups if group is not self.future]

    @property
    def output_groups(self) -> list[nn.Module]:
        """The groups whose rows the output has now: in training mode those of future classes too."""
        return self.all_groups if self.training else self.groups

    @property
    def background_group(self) -> nn.Module:
        """The group whose first row is that of the background, in protocols that have one."""
        return self.steps[0] if self.background is None else self.background

    @property
    def background_prefix(self) -> str:
        """What the names of that group's tensors begin with."""
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
        """Number of rows behind those of the classes."""
        return 0 if self.rest is None else len(self.rest.weight)

    @property
    def num_future(self) -> int:
        """Number of rows of classes that later steps bring."""
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

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        rows = state_dict.get(f'{prefix}weight')
        if rows is not None:
            if not self.linear:
                error_msgs.append(f'{prefix}weight: {ONE_ROW}')
            elif len(rows) == self.out_channels + self.num_rest:
                split_rows(self, state_dict, prefix)
            else:
                rest = f', and {self.num_rest} rows behind them' if self.num_rest else ''
                error_msgs.append(
                    f'{prefix}weight has {len(rows)} rows but this model has {self.out_channels} '
                    f'channels, {self.sizes} by step{rest}'
                )
                state_dict.pop(f'{prefix}weight')
                state_dict.pop(f'{prefix}bias', None)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def joined_rows(groups: Sequence[nn.Module]) -> tuple[Tensor, Tensor | None]:
    """Returns weight and bias (or None) of several groups as one layer's."""
    first = groups[0]
    if len(groups) == 1:
        return first.weight, first.bias
    bias = None if first.bias is None else torch.cat([group.bias for group in groups])
    return torch.cat([group.weight for group in groups]), bias


def split_rows(layer: Growable, state_dict: dict[str, Any], prefix: str) -> int:
    """Replaces the plain ``weight`` and ``bias`` of a layer by its native keys, in place.

    Args:
        layer: The layer that will be loaded.
        state_dict: The weights; the rows must be those of the first steps, and the rest.
        prefix: Name of the layer in ``state_dict``, with its dot.

    Returns:
        Number of steps that the rows cover.

    Raises:
        ValueError: If the rows end in the middle of a step, or the layer is none of rows alone.
    """
    if not layer.linear:
        raise ValueError(f'{prefix}weight: {ONE_ROW}')
    rows = len(state_dict[f'{prefix}weight']) - layer.num_rest
    ends = [sum(layer.sizes[: k + 1]) for k in range(len(layer.sizes))]
    if rows not in ends:
        raise ValueError(
            f'{prefix}weight has {rows} rows, which is not where a step ends; the '
            f'steps of this model add {layer.sizes} channels'
        )
    covered = len(ends) - ends[::-1].index(rows)
    for key in ('weight', 'bias'):
        tensor = state_dict.pop(f'{prefix}{key}', None)
        if tensor is None:
            continue
        for index, part in enumerate(tensor[:rows].split(layer.sizes[:covered])):
            if layer.sizes[index]:
                state_dict[f'{prefix}steps.{index}.{key}'] = part
        if layer.num_rest:
            state_dict[f'{prefix}rest.{key}'] = tensor[rows:]
    return covered


def copy_row(source: nn.Module, row: int, target: nn.Module, bias: bool = True) -> None:
    """Makes every row of a group a copy of one row of another, with all layers before it, in place.

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


def load_old_rows(module: nn.Module, weights: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Loads weights that may lack the newest rows of the growable layers; the rest of those stays.

    Args:
        module: A segmentor with growable layers.
        weights: State of the step before, plain or native.

    Returns:
        Names that the weights should have had and names they should not have had. New rows, rows of future
        classes and auxiliary channels are in neither; what stayed as it was is logged.

    Raises:
        ValueError: If the rows end in the middle of a step.
        RuntimeError: If a tensor has another shape.
    """
    weights = dict(weights)
    widen_parameters(module, weights)
    new_rows: list[str] = []
    for name, layer in growable_layers(module).items():
        prefix = f'{name}.' if name else ''
        if f'{prefix}weight' in weights:
            covered = split_rows(layer, weights, prefix)
        else:
            found = [k for k in range(len(layer.sizes)) if f'{prefix}steps.{k}.weight' in weights]
            covered = max(found, default=-1) + 1
        if covered:
            new_rows += [f'{prefix}steps.{index}.' for index in range(covered, len(layer.sizes)) if layer.sizes[index]]
            new_rows += [f'{prefix}auxiliary.', f'{prefix}future.']
    result = module.load_state_dict(weights, strict=False)
    kept = [name for name in result.missing_keys if name.startswith(tuple(new_rows) or ('\0',))]
    if kept:
        print_log(f'Not in the loaded weights, left to the initializer: {", ".join(kept)}', logger='current')
    # Some layers drop entries that they compute themselves; those were there all the same.
    missing = [name for name in result.missing_keys if name not in set(kept) and name not in weights]
    return missing, list(result.unexpected_keys)
