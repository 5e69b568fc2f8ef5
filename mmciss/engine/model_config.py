"""Edits of a plain MMSegmentation model config, by rules that name no head."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import class_weights, heads_of, segmentation_heads
from mmciss.registry import class_of

PIXEL_CROSS_ENTROPIES = ('CrossEntropyLoss', 'OhemCrossEntropy')
"""The losses in MMSegmentation that compare each pixel's softmax over all classes with its label."""


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
