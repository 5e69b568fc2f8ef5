"""Builds the slots of a method, and checks before training that the model has what they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mmengine.registry import Registry
from mmseg.registry import MODELS
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.query_heads import PixelScores
from mmciss.models.outputs import main_classifier, main_head
from mmciss.models.slot import Slot
from mmciss.models.taps import check_names
from mmciss.registry import INITIALIZERS, LABELERS, STATISTICS, STRUCTURES

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor

SINGLE_SLOTS: dict[str, Registry] = {
    'structure': STRUCTURES,
    'initializer': INITIALIZERS,
    'labeler': LABELERS,
    'decision': MODELS,
}
NAMED_SLOTS: dict[str, Registry] = {'shared': MODELS, 'losses': MODELS, 'statistics': STATISTICS}
NEEDS = ('logits', 'embedding', 'features', 'classifier', 'rows', 'queries', 'teacher')
NAMED_NEEDS = ('statistics', 'shared', 'sample')


def named_configs(configs: Mapping[str, dict[str, Any] | None] | None, key: str) -> dict[str, dict[str, Any]]:
    """Returns the named configs of a kind of slot, without those set to None.

    Raises:
        ConfigError: If it is not a dictionary of named configs.
    """
    if not isinstance(configs or {}, Mapping) or 'type' in (configs or {}):
        raise ConfigError(
            f'{key}: must be a dictionary of named configs such as dict(kd=dict(type=...)), found {configs!r}'
        )
    return {name: config for name, config in (configs or {}).items() if config is not None}


def build_slot(name: str, config: dict[str, Any] | None) -> Any:
    """Builds a slot of which a method has at most one, such as ``'labeler'``."""
    return None if config is None else SINGLE_SLOTS[name].build(config)


def build_named(name: str, configs: Mapping[str, dict[str, Any] | None] | None) -> nn.ModuleDict:
    """Builds the slots of which a method may have several, such as ``'losses'``.

    Raises:
        ConfigError: If they are not a dictionary of named configs.
    """
    found = named_configs(configs, f'method.{name}')
    return nn.ModuleDict({item: NAMED_SLOTS[name].build(config) for item, config in found.items()})


def check_needs(segmentor: BaseSegmentor, slot: Any, key: str, shared: Iterable[str] = ()) -> None:
    """Rejects a slot whose needs the model cannot meet.

    Args:
        segmentor: The segmentor.
        slot: A slot, or a pass over the data.
        key: The config key of the slot.
        shared: Names of the objects in ``method.shared``.

    Raises:
        ConfigError: If the head has no single linear classifier, or a layer or an object does not exist.
    """
    if hasattr(slot, 'uses_teacher'):
        raise ConfigError(
            f"{key}: {type(slot).__name__}.uses_teacher is no longer read; put 'teacher' into needs instead"
        )
    needs = set(slot.needs)
    named = {need for need in needs if need.partition('.')[0] in NAMED_NEEDS and '.' in need}
    if unknown := needs - named - set(NEEDS):
        allowed = (*NEEDS, *(f'{name}.<name>' for name in NAMED_NEEDS))
        raise ConfigError(f'{key}: {type(slot).__name__}.needs holds {sorted(unknown)}; allowed: {allowed}')
    found = main_classifier(segmentor)
    if needs & {'embedding', 'classifier', 'rows'} and found is None:
        raise ConfigError(
            f"{key}: {type(slot).__name__} needs the input of a single linear classifier ('conv_seg'), "
            f'which {type(segmentor.decode_head).__name__} (model.decode_head) does not have'
        )
    if 'rows' in needs and found is not None and not getattr(found[1], 'linear', True):
        raise ConfigError(
            f'{key}: {type(slot).__name__} needs rows over one embedding, but here each step '
            f'has its own head; set method.structure=None'
        )
    if 'queries' in needs and not isinstance(main_head(segmentor)[1], PixelScores):
        raise ConfigError(
            f'{key}: {type(slot).__name__} needs a head that classifies queries, such as MaskFormerHead or '
            f'Mask2FormerHead; model.decode_head is {type(main_head(segmentor)[1]).__name__}'
        )
    if 'features' in needs:
        check_names(segmentor, slot.layers, key=f'{key}.layers')
    for name in (need.removeprefix('shared.') for need in named if need.startswith('shared.')):
        if name not in shared:
            raise ConfigError(
                f'{key}: {type(slot).__name__} needs method.shared.{name}, which the method does not have; '
                f'found {sorted(shared) or "none"}'
            )


def named_needs(slots: Mapping[str, Slot], kind: str) -> Iterable[tuple[str, Slot, str]]:
    """Yields key, slot and name for every need of a kind: ``'statistics'`` or ``'sample'``."""
    for key, slot in slots.items():
        for need in slot.needs:
            if need.startswith(f'{kind}.'):
                yield key, slot, need.removeprefix(f'{kind}.')


def check_statistics(slots: Mapping[str, Slot], finds: Iterable[str]) -> None:
    """Rejects slots that need a statistic which no pass over the data finds.

    Args:
        slots: The slots by key.
        finds: Names of all statistics that the passes of the step find.

    Raises:
        ConfigError: Naming slot and statistic.
    """
    finds = set(finds)
    for key, slot, name in named_needs(slots, 'statistics'):
        if name not in finds:
            raise ConfigError(
                f'method.statistics: {type(slot).__name__} (method.{key}) needs {name!r}, found '
                f'{sorted(finds) or "none"}; add the pass that computes it'
            )


def check_samples(slots: Mapping[str, Slot], fields: Iterable[str]) -> None:
    """Rejects slots that need a field which the training samples do not have.

    Raises:
        ConfigError: Naming slot and field, and what to do.
    """
    fields = set(fields)
    for key, slot, name in named_needs(slots, 'sample'):
        if name not in fields:
            raise ConfigError(
                f'method.{key}: {type(slot).__name__} needs {name!r}, which the training samples do not have '
                f'(they have {", ".join(sorted(fields))}). {slot.remedies.get(f"sample.{name}", "")}'.rstrip()
            )
