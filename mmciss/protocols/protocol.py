"""A protocol: which classes, or domains, are learned at which step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.classes import check_class_names, check_permutation, class_number, read_order
from mmciss.protocols.domains import DOMAINS
from mmciss.protocols.names import canonical_name, parse_name, split_name
from mmciss.protocols.step import BACKGROUND, Step

SETTINGS = ('overlapped', 'disjoint', 'sequential', 'partitioned', 'domain', 'explicit')
"""Which images a step sees, see :mod:`mmciss.protocols.settings`."""


@dataclass(frozen=True)
class Protocol(Sequence[Step]):
    """An immutable sequence of steps.

    Attributes:
        name: Such as ``'15-1'``.
        setting: Which images a step sees, see :mod:`mmciss.protocols.settings`.
        class_names: Names of all foreground classes by class number.
        background: Whether channel 0 is the background.
        steps: The steps.
        split_files: One image list per step (setting ``'explicit'``).
        seed: Seed of the setting ``'partitioned'`` and of the shares that ``holdout`` cuts off.
        holdout: Share of every domain's images that is kept for testing.
        joint: Whether all steps were merged into one.
        reported: Channels per step of the merged steps.

    Examples:
        >>> protocol = Protocol.from_name('15-1', 20)
        >>> len(protocol), protocol[1].new, protocol[1].num_old
        (6, (16,), 16)
    """

    name: str
    setting: str
    class_names: tuple[str, ...]
    background: bool
    steps: tuple[Step, ...]
    split_files: tuple[str, ...] = ()
    seed: int = 0
    holdout: float = 0.0
    joint: bool = False
    reported: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise unknown_name('setting', self.setting, SETTINGS, 'protocol.setting')
        if (self.setting == 'domain') != bool(self.domains):
            raise ConfigError(
                f'protocol.setting: {self.setting!r} with '
                f"{'' if self.domains else 'no '}domains; domains need setting='domain'"
            )

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | Sequence[Step]:
        return self.steps[index]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def num_classes(self) -> int:
        """Number of foreground classes."""
        return len(self.class_names)

    @property
    def domains(self) -> tuple[str, ...]:
        """All domains in order of arrival; empty if the protocol is class-incremental."""
        return tuple(domain for step in self.steps for domain in step.domains)

    def report_sizes(self, index: int) -> tuple[int, ...]:
        """Returns the channels per step that results are reported by.

        They are the step's own, but for joint training, whose single step is compared with the old
        and new classes of the protocol.
        """
        return self.reported or self.steps[index].sizes

    def to_dict(self) -> dict[str, Any]:
        """Returns all that defines the protocol as plain values."""
        return {
            'name': self.name,
            'setting': self.setting,
            'class_names': list(self.class_names),
            'background': self.background,
            'steps': [list(step.new) for step in self.steps],
            'domains': [list(step.domains) for step in self.steps] if self.domains else [],
            'split_files': list(self.split_files),
            'seed': self.seed,
            'holdout': self.holdout,
            'joint': self.joint,
        }

    def fingerprint(self) -> str:
        """Returns a hash of the protocol: equal for equal protocols, whatever they are called."""
        content = {key: value for key, value in self.to_dict().items() if key != 'name'}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def merged(self) -> Protocol:
        """Returns joint training: one step with everything, reported by the steps it merges."""
        last = self.steps[-1]
        step = Step(0, last.seen, (), (last.num_seen,), last.names, self.background, self.domains)
        values = {**vars(self), 'steps': (step,), 'joint': True, 'reported': last.sizes}
        return Protocol(**values)

    @classmethod
    def from_name(
        cls,
        name: str,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        order: Any = None,
        setting: str = 'overlapped',
        background: bool = True,
        dataset: str | None = None,
        **options: Any,
    ) -> Protocol:
        """Builds a class-incremental protocol from its name.

        Args:
            name: Such as ``'15-1'``, see :func:`mmciss.protocols.names.parse_name`.
            num_classes: Number of foreground classes.
            class_names: Their names by class number.
            order: None, a published letter, a seed or a list, see
                :func:`mmciss.protocols.classes.read_order`.
            setting: Which images a step sees.
            background: Whether channel 0 is the background.
            dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``: whose lettered orders are meant.
            **options: ``split_files``, ``seed``.

        Raises:
            ConfigError: If anything does not fit, naming the key.

        Examples:
            >>> [step.new for step in Protocol.from_name('2-1', 4, order=[4, 3, 2, 1])]
            [(4, 3), (2,), (1,)]
        """
        names = check_class_names(class_names, num_classes)
        stem, letter = split_name(str(name), dataset)
        if letter is not None and order is not None and order != letter:
            raise ConfigError(f'protocol.order: {order!r} contradicts the order in the name {name!r}')
        if setting == 'domain':
            raise ConfigError("protocol.setting: 'domain' needs protocol.domains")
        numbers = read_order(letter if order is None else order, names, dataset)
        sizes = parse_name(stem, len(names))
        lists, start = [], 0
        for size in sizes:
            lists.append(numbers[start : start + size])
            start += size
        return cls._build(canonical_name(sizes), setting, names, background, lists, **options)

    @classmethod
    def from_lists(
        cls,
        steps: Sequence[Sequence[int | str]],
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        setting: str = 'overlapped',
        background: bool = True,
        name: str | None = None,
        **options: Any,
    ) -> Protocol:
        """Builds a class-incremental protocol from the classes of every step, as numbers or names.

        Raises:
            ConfigError: If a class is unknown, missing or listed twice, or a step has none.

        Examples:
            >>> protocol = Protocol.from_lists([['dog'], ['cat']], class_names=['cat', 'dog'])
            >>> protocol.name, protocol[1].names
            ('1-1', ('background', 'dog', 'cat'))
        """
        key = 'protocol.steps'
        if isinstance(steps, str) or not steps or any(isinstance(part, (str, int)) for part in steps):
            raise ConfigError(f'{key}: {steps!r} is no list of lists of classes')
        if class_names is None and num_classes is None:
            num_classes = sum(map(len, steps))
        names = check_class_names(class_names, num_classes)
        if empty := [index for index, part in enumerate(steps) if not len(part)]:
            raise ConfigError(f'{key}: step {empty[0]} has no classes')
        lists = [tuple(class_number(item, names, key) for item in part) for part in steps]
        check_permutation([number for part in lists for number in part], names, key)
        return cls._build(name or canonical_name([*map(len, lists)]), setting, names, background, lists, **options)

    @classmethod
    def from_domains(
        cls,
        steps: str | Sequence[Sequence[str]],
        domains: Sequence[str] | None = None,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        background: bool = False,
        dataset: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> Protocol:
        """Builds a domain-incremental protocol: all classes at every step, images of new domains.

        Args:
            steps: A name such as ``'11-5'``, or the domains of every step.
            domains: All domains in order of arrival; those of ``dataset`` by default.
            num_classes: Number of foreground classes.
            class_names: Their names.
            background: Whether channel 0 is a background class.
            dataset: ``'cityscapes'``: whose published domains are meant.
            name: What to call a protocol that is given by lists.
            **options: ``seed``, ``holdout``.

        Raises:
            ConfigError: If a domain is unknown or listed twice, or the name does not fit.

        Examples:
            >>> [len(step.domains) for step in
            ...  Protocol.from_domains('11-5', num_classes=19, dataset='cityscapes')]
            [11, 5, 5]
        """
        names = check_class_names(class_names, num_classes)
        if domains is None:
            domains = DOMAINS.get(dataset or '')
        if isinstance(steps, str):
            if not domains:
                raise ConfigError(
                    'protocol.domains: list the domains in order of arrival (folder names '
                    'or what file names start with); only Cityscapes has published ones'
                )
            sizes = parse_name(steps, len(domains), 'domains')
            starts = [sum(sizes[:index]) for index in range(len(sizes))]
            lists = [tuple(domains[start : start + size]) for start, size in zip(starts, sizes)]
            name = canonical_name(sizes)
        else:
            lists = [tuple(map(str, part)) for part in steps]
        _check_domains(lists, domains)
        options.setdefault('seed', 1)  # The papers' seed of the held-out share.
        numbers = tuple(range(1, len(names) + 1))
        channels = ((BACKGROUND,) if background else ()) + names
        built = []
        for index, part in enumerate(lists):
            new, old = ((), numbers) if index else (numbers, ())
            sizes = (len(channels), *[0] * index)
            built.append(Step(index, new, old, sizes, channels, background, part))
        return cls(name or canonical_name([*map(len, lists)]), 'domain', names, background, tuple(built), **options)

    @classmethod
    def _build(
        cls,
        name: str,
        setting: str,
        class_names: tuple[str, ...],
        background: bool,
        lists: Sequence[tuple[int, ...]],
        **options: Any,
    ) -> Protocol:
        steps: list[Step] = []
        channels: tuple[str, ...] = (BACKGROUND,) if background else ()
        old: tuple[int, ...] = ()
        sizes: tuple[int, ...] = ()
        for index, new in enumerate(lists):
            channels += tuple(class_names[number - 1] for number in new)
            sizes += (len(new) + (background and index == 0),)
            upcoming = tuple(map(len, lists[index + 1 :]))
            steps.append(Step(index, tuple(new), old, sizes, channels, background, upcoming=upcoming))
            old += tuple(new)
        options['split_files'] = tuple(map(str, options.get('split_files') or ()))
        if (setting == 'explicit') != bool(options['split_files']):
            raise ConfigError(
                f"protocol.split_files: needed with setting='explicit' and only there; "
                f'setting is {setting!r} with {len(options["split_files"])} files'
            )
        if options['split_files'] and len(options['split_files']) != len(steps):
            raise ConfigError(
                f'protocol.split_files: {len(options["split_files"])} files for '
                f'{len(steps)} steps; one per step is needed'
            )
        return cls(name, setting, class_names, background, tuple(steps), **options)


def _check_domains(lists: Sequence[Sequence[str]], domains: Sequence[str] | None) -> None:
    key = 'protocol.domains'
    flat = [domain for part in lists for domain in part]
    if not lists or not all(lists):
        raise ConfigError(f'{key}: every step needs at least one domain; found {[*map(list, lists)]}')
    if repeated := sorted({domain for domain in flat if flat.count(domain) > 1}):
        raise ConfigError(f'{key}: listed more than once: {", ".join(repeated)}')
    for domain in flat:
        if domains and domain not in domains:
            raise unknown_name('domain', domain, domains, key)
