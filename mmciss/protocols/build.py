"""Building the protocol that the config key ``protocol`` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.class_orders import NUM_CLASSES, recognise
from mmciss.protocols.protocol import SETTINGS, Protocol

KEYS = (
    'name',
    'setting',
    'order',
    'steps',
    'split_files',
    'domains',
    'dataset',
    'joint',
    'seed',
    'holdout',
    'label_policy',
)
"""Keys of the config key ``protocol``; :func:`mmciss.protocols.labels.label_policy` reads ``label_policy``."""


def build_protocol(
    config: Mapping[str, Any] | Protocol,
    class_names: Sequence[str],
    background: bool = True,
    dataset: str | None = None,
) -> Protocol:
    """Builds the protocol that a user's config describes.

    Args:
        config: ``name`` or ``steps`` (lists of class numbers or names); ``setting`` (default ``'overlapped'``, or
            ``'domain'`` if there are domains, or ``'explicit'`` if there are image lists); ``order``; ``split_files``;
            ``domains`` (in order of arrival, together with ``name``; or a list for each step); ``dataset`` (where
            lettered orders and domains are looked up; recognised by the class names if left out); ``joint`` (merges all
            steps into one); ``seed`` (of ``'partitioned'`` and ``holdout``); ``holdout`` (share of the training images,
            or of each domain's, held out for testing; with domains 0.2 in the papers).
        class_names: Foreground class names of the data set by class number.
        background: Whether the data set has a background class. Class-incremental protocols always have one,
            domain-incremental ones only if the data set has.
        dataset: Used if ``config`` names none.

    Raises:
        ConfigError: If a key is unknown or its value does not fit, naming the key.

    Examples:
        >>> protocol = build_protocol(dict(name='2-1', order=['c', 'a', 'b']), ['a', 'b', 'c'])
        >>> protocol[1].names
        ('background', 'c', 'a', 'b')
    """
    if isinstance(config, Protocol):
        return config
    values = {key: value for key, value in config.items() if value is not None}
    for key in values:
        if key not in KEYS:
            raise unknown_name('key', key, KEYS, f'protocol.{key}')
    dataset = values.get('dataset') or dataset or recognise(tuple(class_names))
    if dataset is not None and dataset not in NUM_CLASSES:
        raise unknown_name('data set', dataset, NUM_CLASSES, 'protocol.dataset')
    setting = setting_of(values)
    if setting not in SETTINGS:
        raise unknown_name('setting', setting, SETTINGS, 'protocol.setting')
    sources = ('name', 'domains') if setting == 'domain' else ('name', 'steps')
    if not any(values.get(key) for key in sources):
        raise ConfigError(
            "protocol: needs name (such as '15-1') or steps (lists of classes); with setting='domain', name or domains"
        )
    build = _domain_protocol if setting == 'domain' else _class_protocol
    protocol = build(values, setting, class_names, background, dataset)
    return protocol.merged() if values.get('joint') else protocol


def setting_of(values: Mapping[str, Any]) -> str:
    """Returns the setting that the config key ``protocol`` names or implies."""
    if values.get('setting'):
        return str(values['setting'])
    if values.get('domains'):
        return 'domain'
    return 'explicit' if values.get('split_files') else 'overlapped'


def _class_protocol(
    values: Mapping[str, Any], setting: str, class_names: Sequence[str], background: bool, dataset: str | None
) -> Protocol:
    if values.get('domains'):
        raise ConfigError(f"protocol.domains: allowed only with setting='domain', not with {setting!r}")
    options: dict[str, Any] = {
        'split_files': values.get('split_files') or (),
        'seed': _seed(values.get('seed', 0)),
        'holdout': _holdout(values.get('holdout', 0.0)),
    }
    if not values.get('steps'):
        return Protocol.from_name(
            values['name'],
            class_names=class_names,
            order=values.get('order'),
            setting=setting,
            dataset=dataset,
            **options,
        )
    if values.get('order') is not None:
        raise ConfigError('protocol.order: protocol.steps already lists the classes in order; give only one of the two')
    return Protocol.from_lists(
        values['steps'], class_names=class_names, setting=setting, name=values.get('name'), **options
    )


def _domain_protocol(
    values: Mapping[str, Any], setting: str, class_names: Sequence[str], background: bool, dataset: str | None
) -> Protocol:
    for key in ('steps', 'order', 'split_files'):
        if values.get(key):
            raise ConfigError(
                f"protocol.{key}: not allowed with setting='domain', where every step learns all classes; "
                f'see protocol.domains'
            )
    domains: Any = values.get('domains')
    lists = domains is not None and not all(isinstance(item, str) for item in domains)
    if not lists and 'name' not in values:
        raise ConfigError("protocol.name: needed with a flat list of domains, for example '11-5'")
    return Protocol.from_domains(
        domains if lists else values['name'],
        None if lists else domains,
        class_names=class_names,
        background=background,
        dataset=None if lists else dataset,
        name=values.get('name') if lists else None,
        seed=_seed(values.get('seed', 1)),
        holdout=_holdout(values.get('holdout', 0.0)),
    )


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ConfigError(f'protocol.seed: {value!r} is not an integer from 0 to {2**32 - 1}')
    return value


def _holdout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(f'protocol.holdout: {value!r} is not a number from 0 to below 1')
    return float(value)
