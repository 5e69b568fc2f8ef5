"""Edits of plain MMSegmentation configs, by rules that name no head, and keeping mmciss out of exported ones."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import Registry
from mmseg.registry import MODELS, TRANSFORMS

from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import class_weights, heads_of, segmentation_heads
from mmciss.registry import class_of, is_ours

PIXEL_CROSS_ENTROPIES = ('CrossEntropyLoss', 'OhemCrossEntropy')
"""The losses in MMSegmentation that compare each pixel's softmax over all classes with its label."""
OURS = 'mmciss.register_all'
"""The module that registers everything in mmciss."""


def replace_main_loss(model: dict[str, Any], main_loss: dict[str, Any]) -> None:
    """Puts a method's loss where every pixel cross entropy was, in place, keeping the weight of each.

    Raises:
        ConfigError: If a head has no pixel cross entropy: its loss would not see the hidden classes.
    """
    for key, head in segmentation_heads(model):
        # K-Net's head has no loss of its own: its first inner head computes all of them.
        inner = None if 'loss_decode' in head else head.get('kernel_generate_head')
        if not _replace_in(head if inner is None else inner, main_loss):
            raise ConfigError(
                f'method.main_loss: {key}.loss_decode holds no loss that it can replace '
                f'({", ".join(PIXEL_CROSS_ENTROPIES)}); found {head.get("loss_decode")!r}'
            )


def _replace_in(head: dict[str, Any], main_loss: dict[str, Any]) -> int:
    losses = head.get('loss_decode') or {'type': 'CrossEntropyLoss'}
    many = isinstance(losses, list | tuple)
    replaced = 0
    result: list[Any] = []
    for loss in losses if many else [losses]:
        if loss.get('type') in PIXEL_CROSS_ENTROPIES and not loss.get('use_sigmoid'):
            weight = main_loss.get('loss_weight', 1.0) * loss.get('loss_weight', 1.0)
            loss = {
                **main_loss,
                'loss_weight': weight,
                **({'loss_name': loss['loss_name']} if 'loss_name' in loss else {}),
            }
            replaced += 1
        result.append(loss)
    head['loss_decode'] = result if many else result[0]
    return replaced


def _downloads(model: dict[str, Any]) -> bool:
    """Whether a module loads pretrained weights unless it is told not to."""
    kind = class_of(MODELS, model)
    if not inspect.isclass(kind):
        return False
    default = inspect.signature(kind.__init__).parameters.get('pretrained')
    return default is not None and default.default is True


def drop_class_weights(model: dict[str, Any]) -> int:
    """Removes every list of class weights from the heads of a config, in place, and returns how many there were.

    Lists with more entries than classes, such as one for 'no object', grow with the number of classes and stay.
    """
    fixed = [node for _, head in heads_of(model) for node, rest in class_weights(head) if not rest]
    for node in fixed:
        node.pop('class_weight')
    return len(fixed)


def plain_model(model: ConfigDict, preprocessor: ConfigDict | None = None) -> ConfigDict:
    """Returns a copy of a model's config without pretrained weights.

    It has the given data preprocessor, which configs may hold beside the model, unless it has one of its own.
    """
    model = copy.deepcopy(model)
    strip_pretrained(model)
    if preprocessor and not model.get('data_preprocessor'):
        model['data_preprocessor'] = copy.deepcopy(preprocessor)
    return model


def strip_pretrained(model: Any) -> None:
    """Removes pretrained weights from a config, in place: a later step starts from the previous step."""
    if isinstance(model, dict):
        model.pop('pretrained', None)
        if _downloads(model):
            model['pretrained'] = False
        init = model.get('init_cfg')
        if isinstance(init, dict) and init.get('type') == 'Pretrained':
            model['init_cfg'] = None
        elif isinstance(init, list | tuple):
            model['init_cfg'] = [item for item in init if item.get('type') != 'Pretrained']
        for value in model.values():
            strip_pretrained(value)
    elif isinstance(model, list | tuple):
        for value in model:
            strip_pretrained(value)


def without_mmciss(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a test pipeline for plain MMSegmentation: a crop of mmciss becomes the resizing that it starts with."""
    result = []
    for transform in pipeline:
        if not is_ours(class_of(TRANSFORMS, transform)):
            result.append(transform)
        elif transform.get('crop_size'):
            side = int(transform['crop_size'])
            # The short side becomes the crop's, however long the other is.
            resize = dict(type='Resize', scale=(64 * side, side), keep_ratio=True)
            loads = [index for index, item in enumerate(result) if str(item['type']).endswith('LoadAnnotations')]
            result.insert(loads[0] if loads else len(result), resize)
    return result


def plain_imports(imports: Any, model: Any, pipeline: Any) -> dict[str, Any] | None:
    """Returns the ``custom_imports`` with which plain MMSegmentation finds a model and its pipeline.

    A backbone from the user's own code or another package needs its module. A loss or labeler that only training used
    does not, and it may not even be importable where the model goes. A model with layers of mmciss needs mmciss.

    Args:
        imports: The user's ``custom_imports``, or None.
        model: Config of the exported model.
        pipeline: Config of its test pipeline.

    Returns:
        A config, or None if nothing has to be imported.
    """
    names = (imports or {}).get('imports') or []
    names = [names] if isinstance(names, str) else names
    layers = set(_packages(model, MODELS))
    packages = layers | set(_packages(pipeline, TRANSFORMS))
    needed = [name for name in names if name.partition('.')[0] in packages - {'mmciss'}]
    if 'mmciss' in layers:
        needed.append(OURS)
    if not needed:
        return None
    return dict(imports=needed, allow_failed_imports=bool((imports or {}).get('allow_failed_imports', False)))


def needs_mmciss(config: Any) -> bool:
    """Whether the model of an exported config has layers of mmciss."""
    return OURS in ((config.get('custom_imports') or {}).get('imports') or ())


def _packages(config: Any, registry: Registry) -> Iterator[str]:
    """Yields the top-level packages of all types in a config."""
    if isinstance(config, dict):
        kind = class_of(registry, config)
        if kind is not None:
            yield kind.__module__.partition('.')[0]
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ():
        yield from _packages(value, registry)
