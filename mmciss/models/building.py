"""Building segmentors whose classifiers grow, for the student and for the teacher."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.grow import grow_segmentor, segmentation_heads
from mmciss.models.classifiers.growable import Growable, growable_layers
from mmciss.models.classifiers.query_heads import check_complete
from mmciss.models.teacher import Teacher

if TYPE_CHECKING:
    from mmciss.models.incremental_segmentor import IncrementalSegmentor


def build_grown_segmentor(
    config: dict, sizes: Sequence[int], classifier: dict | None = None, num_future: int = 0
) -> nn.Module:
    """Builds a plain segmentor and makes its classifiers growable.

    Args:
        config: Config of the segmentor, with ``sum(sizes)`` classes.
        sizes: Channels that each step added.
        classifier: Further arguments of :func:`mmciss.models.classifiers.grow.grow_segmentor`.
        num_future: Channels that later steps add.

    Raises:
        ConfigError: If a head cannot grow, or the model needs something that is not installed.
    """
    from mmciss.engine.model_config import heads_of

    config = copy.deepcopy(config)
    kept = copy.deepcopy(config)  # building takes parts out of the config
    for key, head in heads_of(config):
        check_complete(head, key)
    try:
        segmentor = MODELS.build(config)
    except (KeyError, ImportError, RuntimeError) as error:
        raise ConfigError(f'model: {kept.get("type")} cannot be built: {error}') from error
    segmentor.growable_names = grow_segmentor(segmentor, kept, sizes, **dict(classifier or {}), num_future=num_future)
    segmentor.build_config = kept
    return segmentor


def growing_heads(segmentor: nn.Module) -> list[nn.Module]:
    """Returns the heads that predict the segmentor's classes, auxiliary heads included."""
    return list(segmentation_heads(segmentor).values())


def classifiers_of(segmentor: nn.Module) -> dict[str, Growable]:
    """Returns every growable layer by name."""
    return growable_layers(segmentor)


def build_teacher(model: IncrementalSegmentor, device: torch.device | str, share_trunk: bool = False) -> Teacher:
    """Builds the model of the step before, from the same config as the student.

    Args:
        model: The student.
        device: Where the teacher shall be.
        share_trunk: Whether the student's weights are loaded and it may lend its frozen trunk, see
            :func:`mmciss.models.shared_trunk_teacher.trunk_is_frozen`; nothing before the classifier differs then.

    Raises:
        ConfigError: If the checkpoint of the step before does not fit.
    """
    from mmciss.engine.model_config import set_num_classes
    from mmciss.models.previous import load_auxiliary, load_plain_checkpoint
    from mmciss.models.shared_trunk_teacher import SharedTrunkTeacher

    sizes = model.step.sizes[:-1]
    config: dict[str, Any] = copy.deepcopy(model.segmentor.build_config)
    set_num_classes(config, sum(sizes))
    segmentor = build_grown_segmentor(config, sizes, model.classifier_options)
    if model.structure is not None and not model.structure.in_plain_model:
        model.structure(segmentor, model.step)
    load_plain_checkpoint(segmentor, model.previous['model'], key='teacher')
    load_auxiliary(segmentor, model.previous.get('state'))
    if share_trunk:
        classifier = segmentor.decode_head.conv_seg
        return SharedTrunkTeacher(model.segmentor, classifier.to(device), model.previous['model'])
    return Teacher(segmentor.to(device), model.previous['model'])
