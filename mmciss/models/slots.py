"""Building the extra losses of a method, and finding out what they need, before training starts."""

from __future__ import annotations

from typing import Any

from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.readout import main_classifier
from mmciss.models.taps import check_names
from mmciss.protocols.step import Step

NEEDS = ('logits', 'embedding', 'features', 'classifier', 'rows')


def build_losses(losses: dict[str, dict] | None) -> nn.ModuleDict:
    """Builds the extra losses by name; a loss set to None is left out.

    Raises:
        ConfigError: If ``method.losses`` is no dictionary of named configs.
    """
    if losses is None:
        losses = {}
    if not isinstance(losses, dict) or 'type' in losses:
        raise ConfigError(
            f'method.losses must be a dictionary of named losses such as dict(kd=dict(type=...)), found {losses!r}'
        )
    return nn.ModuleDict({name: MODELS.build(config) for name, config in losses.items() if config is not None})


def check_needs(segmentor: nn.Module, slot: Any, key: str) -> None:
    """Refuses a slot that needs what the model does not have.

    Args:
        segmentor: The segmentor.
        slot: Anything with ``needs`` and, for features, ``layers``.
        key: The config key of the slot.

    Raises:
        ConfigError: If the head has no single linear classifier, or a layer does not exist.
    """
    needs = set(getattr(slot, 'needs', ('logits',)))
    if unknown := needs - set(NEEDS):
        raise ConfigError(f'{key}: {type(slot).__name__}.needs holds {sorted(unknown)}; allowed: {NEEDS}')
    found = main_classifier(segmentor)
    if needs & {'embedding', 'classifier', 'rows'} and found is None:
        raise ConfigError(
            f"{key}: {type(slot).__name__} needs the input of a single linear classifier ('conv_seg'), "
            f'which {type(segmentor.decode_head).__name__} (model.decode_head) does not have'
        )
    if 'rows' in needs and not getattr(found[1], 'linear', True):
        raise ConfigError(
            f'{key}: {type(slot).__name__} needs rows over one embedding, which classes with heads of '
            f'their own do not share; set method.structure=None'
        )
    if 'features' in needs:
        check_names(segmentor, slot.layers, key=f'{key}.layers')


def collect_needs(segmentor: nn.Module, losses: nn.ModuleDict, labeler: Any, step: Step) -> tuple[list[str], bool]:
    """Returns the modules to tap and whether a teacher has to run, and refuses what the model cannot give.

    Raises:
        ConfigError: If a loss needs an embedding that the head does not have, a module that does not exist, or a
            teacher at the base step.
    """
    layers: list[str] = []
    slots = [(f'method.losses.{name}', loss) for name, loss in losses.items()]
    if labeler is not None:
        slots.append(('method.labeler', labeler))
    for key, slot in slots:
        check_needs(segmentor, slot, key)
        if 'features' in getattr(slot, 'needs', ()):
            layers += [name for name in slot.layers if name not in layers]
    uses_teacher = [key for key, slot in slots if getattr(slot, 'uses_teacher', True)]
    if uses_teacher and step.is_base:
        raise ConfigError(
            f'{uses_teacher[0]} needs a teacher, which the base step does not have; set it in '
            f'method, not in method.base'
        )
    return layers, bool(uses_teacher)
