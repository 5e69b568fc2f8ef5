"""Reading what flows between the modules of an unmodified model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmciss.errors import ConfigError, close_matches

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

PORTS = ('output', 'input')
STAGES = 'stages'
"""Name of a tap: the map at the end of every stage of a backbone, after its last activation."""
PRE_ACTIVATION = 'pre_activation'
"""Port of that tap: the same maps before their last activation, if a stage ends with one."""


def split_name(name: str) -> tuple[str, str]:
    """Splits a tap's name into module and port.

    Examples:
        >>> split_name('backbone.layer1')
        ('backbone.layer1', 'output')
        >>> split_name('backbone.layer1.2.relu:input')
        ('backbone.layer1.2.relu', 'input')
    """
    module, _, port = name.partition(':')
    return module, port or 'output'


def resolve(root: nn.Module, module: str) -> str:
    """Replaces negative numbers in a module's name, which count from the end as in a list.

    So one name fits any depth: in a ResNet ``'backbone.layer3.-1'`` is the last block of stage 3, which is
    ``'backbone.layer3.5'`` in ResNet-50 and ``'backbone.layer3.22'`` in ResNet-101.

    Args:
        root: The module that the name is relative to.
        module: Name of a module; parts that do not exist are left as they are.

    Examples:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        >>> resolve(net, '-1')
        '1'
    """
    parts: list[str] = []
    node: nn.Module | None = root
    for part in filter(None, module.split('.')):
        children = {} if node is None else dict(node.named_children())
        if re.fullmatch(r'-[1-9][0-9]*', part) and int(part) >= -len(children):
            part = list(children)[int(part)]
        parts.append(part)
        node = children.get(part)
    return '.'.join(parts)


def check_names(root: nn.Module, names: Iterable[str], key: str = 'layers') -> None:
    """Refuses names that :class:`FeatureTap` could not record, before anything runs.

    Args:
        root: The module that names are relative to.
        names: ``'module'``, ``'module:input'``, ``'stages'`` or ``'stages:pre_activation'``; see :func:`resolve` for
            negative numbers.
        key: The config key that holds the names.

    Raises:
        ConfigError: If a module does not exist or the part after ``:`` is unknown.
    """
    modules = dict(root.named_modules())
    for name in names:
        module, port = split_name(name)
        ports = ('output', PRE_ACTIVATION) if module == STAGES else PORTS
        if port not in ports:
            raise ConfigError(f'{key}: {name!r} ends in {port!r}; allowed after the colon: {", ".join(ports)}.')
        if module == STAGES:
            continue
        module = resolve(root, module)
        if module not in modules:
            raise ConfigError(
                f'{key}: {type(root).__name__} has no module {module!r}.'
                f'{close_matches(module, modules)}{_children_hint(modules, module)} '
                f"'stages' means every stage of any backbone, 'backbone' the maps that it returns."
            )


def check_compiling(names: Iterable[str]) -> None:
    """Refuses taps of a backbone that is to be compiled into one operation.

    Args:
        names: As for :func:`check_names`, relative to the segmentor.

    Raises:
        ConfigError: Naming the taps.
    """
    inside = [name for name in names if split_name(name)[0].split('.')[0] in ('backbone', STAGES)]
    if inside:
        raise ConfigError(
            f'compile: the method reads {", ".join(map(repr, inside))} inside the backbone, which cannot be read in a '
            f'compiled one; leave compile out, or take a method without such layers'
        )


def expand(root: nn.Module, name: str) -> tuple[str, ...]:
    """Returns the taps that a name stands for: those of all stages for ``'stages'``, else the name itself."""
    module, port = split_name(name)
    return stage_taps(root, port == PRE_ACTIVATION) if module == STAGES else (name,)


def stage_taps(segmentor: BaseSegmentor, pre_activation: bool = False) -> tuple[str, ...]:
    """Returns the names of the taps that ``'stages'`` or ``'stages:pre_activation'`` stands for.

    A backbone that names the layers that are its stages (``res_layers``: ResNet and its relatives, in MMSegmentation
    and in mmpretrain) is tapped there, at every stage, whether the head uses its map or not. The blocks of a ResNet
    call one ReLU after every convolution, and :class:`FeatureTap` keeps the last call, so the input of the last
    block's ReLU is the residual sum that PLOP distils. Of any other backbone these are the maps that it returns;
    those of transformers, MobileNetV2 and ConvNeXt end without an activation.

    Args:
        segmentor: A segmentor with a ``backbone``.
        pre_activation: Whether to take the maps before the last activation.

    Examples:
        >>> backbone = nn.Sequential()
        >>> backbone.layer1 = nn.Sequential(nn.Sequential())
        >>> backbone.layer1[0].relu = nn.ReLU()
        >>> backbone.res_layers = ['layer1']
        >>> segmentor = nn.Module()
        >>> segmentor.backbone = backbone
        >>> stage_taps(segmentor), stage_taps(segmentor, pre_activation=True)
        (('backbone.layer1',), ('backbone.layer1.-1.relu:input',))
    """
    backbone = segmentor.backbone
    names = getattr(backbone, 'res_layers', None)
    if not names or not all(isinstance(getattr(backbone, str(name), None), nn.Module) for name in names):
        return ('backbone',)
    taps = []
    for name in names:
        blocks = list(getattr(backbone, name).children())
        ends_with_relu = bool(blocks) and isinstance(getattr(blocks[-1], 'relu', None), nn.Module)
        taps.append(f'backbone.{name}' + ('.-1.relu:input' if pre_activation and ends_with_relu else ''))
    return tuple(taps)


def _children_hint(modules: dict[str, nn.Module], name: str) -> str:
    parent = name
    while parent and parent not in modules:
        parent = parent.rpartition('.')[0]
    children = [child for child, _ in modules[parent].named_children()]
    return f' {parent or "The model"} has: {", ".join(children)}.' if children else ''


class FeatureTap:
    """Context manager that records outputs and inputs of modules by name.

    ``'backbone.layer1'`` records the output of that module, ``'decode_head.conv_seg:input'`` its first input. If a
    module runs several times, the last run is kept. So in a ResNet, whose blocks call one ReLU after every
    convolution, ``'backbone.layer1.-1.relu:input'`` is the residual sum of the last block (see :func:`resolve`) before
    its final activation, the map that PLOP distils (arXiv 2011.11390).

    ``'stages'`` records the map of every stage as a tuple, ``'stages:pre_activation'`` the same before the last
    activation, on any backbone (see :func:`stage_taps`).

    A tensor that the module itself overwrites (``inplace=True``) is always cloned; if a *later* module overwrites it,
    name it in ``clone``.

    Hooks exist only inside the ``with`` block and are removed after an exception too; copies of the model made inside
    the block are not recorded.

    Args:
        root: The module that names are relative to. Hooks of MMSegmentation's heads never fire, since it calls
            ``head.forward`` directly; tap modules inside them.
        names: What to record.
        clone: Names whose tensors are copied, or True for all.

    Raises:
        ConfigError: On enter, if a module does not exist.

    Examples:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        >>> with FeatureTap(net, ['1:input']) as tap:
        ...     _ = net(torch.ones(1, 3, 2, 2))
        >>> tap.records['1:input'].shape
        torch.Size([1, 4, 2, 2])
    """

    def __init__(self, root: nn.Module, names: Iterable[str], clone: bool | Iterable[str] = False) -> None:
        self.root = root
        self.names = tuple(dict.fromkeys(names))
        self.clone = set(self.names if clone is True else () if clone is False else clone)
        self.records: dict[str, Any] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> FeatureTap:
        check_names(self.root, self.names)
        self.records.clear()
        taps = dict.fromkeys(tap for name in self.names for tap in expand(self.root, name))
        copied = {tap for name in self.clone for tap in expand(self.root, name)}
        for name in taps:
            path, port = split_name(name)
            module = self.root.get_submodule(resolve(self.root, path))
            if port == 'input':
                clone = name in copied or bool(getattr(module, 'inplace', False))
                hook = _input_hook(self.records, name, module, clone)
                self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            else:
                hook = _output_hook(self.records, name, module, name in copied)
                self._handles.append(module.register_forward_hook(hook))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for name in self.names:
            taps = expand(self.root, name)
            if taps != (name,) and all(tap in self.records for tap in taps):
                self.records[name] = tuple(flat_maps(self.records[tap] for tap in taps))


def flat_maps(values: Iterable[Any]) -> list[Any]:
    """Returns recorded values in one flat list; a module may give several maps."""
    return [item for value in values for item in (value if isinstance(value, list | tuple) else [value])]


def _input_hook(records: dict[str, Any], name: str, module: nn.Module, clone: bool) -> Callable[..., None]:
    def record(caller: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if caller is module:  # not a copy of it
            value = args[0] if args else next(iter(kwargs.values()), None)
            records[name] = value.clone() if clone and isinstance(value, Tensor) else value

    return record


def _output_hook(records: dict[str, Any], name: str, module: nn.Module, clone: bool) -> Callable[..., None]:
    def record(caller: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if caller is module:
            records[name] = output.clone() if clone and isinstance(output, Tensor) else output

    return record
