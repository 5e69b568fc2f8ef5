"""Builds the teacher of a step, as a network of its own or on the student's frozen trunk."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from mmciss.models.classifiers.grow import build_grown_segmentor
from mmciss.models.classifiers.growable import Growable, growable_layers
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.freezing import is_dropout
from mmciss.models.previous import load_auxiliary, load_plain_checkpoint
from mmciss.models.readout import main_classifier
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.teacher import SharedTrunkTeacher, Teacher
from mmciss.utils.private_api import NORMS


def build_teacher(model: IncrementalSegmentor, device: torch.device | str, share_trunk: bool = False) -> Teacher:
    """Builds the model of the previous step, from the same config as the student.

    Args:
        model: The student.
        device: The teacher's device.
        share_trunk: Whether to use the student's own frozen trunk, see :func:`trunk_is_frozen`. The student's weights
            must be loaded already.

    Raises:
        ConfigError: If the checkpoint of the previous step does not fit.
    """
    sizes, previous = model.step.sizes[:-1], model.previous
    assert previous is not None, 'only later steps have a teacher'
    config: dict[str, Any] = copy.deepcopy(model.segmentor.build_config)
    set_num_classes(config, sum(sizes))
    segmentor: Any = build_grown_segmentor(config, sizes, model.classifier_options)
    if model.structure is not None and not model.structure.in_plain_model:
        model.structure.install(segmentor, model.step)
    load_plain_checkpoint(segmentor, previous.model, key='teacher')
    load_auxiliary(segmentor, previous.content)
    if share_trunk:
        classifier = segmentor.decode_head.conv_seg
        return SharedTrunkTeacher(model.segmentor, classifier.to(device), previous.model)
    return Teacher(segmentor.to(device), previous.model)


def trunk_is_frozen(model: IncrementalSegmentor) -> bool:
    """Whether student and teacher share the same embedding throughout the step.

    They do if nothing before the main classifier learns, if batch norms and dropout there stay in evaluation mode while
    the student trains, and if no slot reads maps of the trunk (which runs only once, for the teacher) or changes its
    layers between steps.

    Args:
        model: The student of a later step.
    """
    segmentor = model.segmentor
    found = main_classifier(segmentor)
    if model.layers or (model.structure is not None and model.structure.changes_trunk):
        return False
    if found is None or not isinstance(found[1], Growable):
        return False
    head = segmentor.decode_head
    if isinstance(head, nn.ModuleList) or type(head).loss is not BaseDecodeHead.loss:
        return False
    if list(growable_layers(head).values()) != [found[1]]:
        return False
    outside = tuple(f'{name}.' for name in (found[0], 'auxiliary_head'))
    if any(parameter.requires_grad for name, parameter in segmentor.named_parameters() if not name.startswith(outside)):
        return False
    training = model.training
    model.train()
    moving = [
        name
        for name, module in segmentor.named_modules()
        if module.training and not name.startswith(outside) and (isinstance(module, NORMS) or is_dropout(module))
    ]
    model.train(training)
    return not moving
