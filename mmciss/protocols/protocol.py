"""A protocol: which classes or domains are learned in which step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.class_orders import DOMAINS, check_class_names, check_permutation, class_number, read_order
from mmciss.protocols.names import canonical_name, parse_name, split_name
from mmciss.protocols.step import BACKGROUND, Step

SETTINGS = ('overlapped', 'disjoint', 'sequential', 'partitioned', 'domain', 'explicit')
"""What ``protocol.setting`` may be, see :mod:`mmciss.protocols.settings`."""


@dataclass(frozen=True)
class Protocol(Sequence[Step]):
    """An immutable sequence of steps.

    Attributes:
        name: For example ``'15-1'``.
        setting: Which images a step sees, see :mod:`mmciss.protocols.settings`.
        class_names: Names of all foreground classes by class number.
        background: Whether channel 0 is the background.
        steps: The steps.
        split_files: One image list per step (setting ``'explicit'``).
        seed: Seed of the setting ``'partitioned'`` and of ``holdout``.
        holdout: Share of the training images, or of each domain's images, that is held out for testing.
        joint: Whether all steps were merged into one.
        reported: Channels of each of the merged steps.

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
                f'protocol.setting: {self.setting!r} {"with" if self.domains else "without"} domains; '
                f"domains and setting='domain' go together"
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
        """All domains in order of arrival; empty for class-incremental protocols."""
        return tuple(domain for step in self.steps for domain in step.domains)

    @property
    def held_out(self) -> float:
        """Share of the training images that is tested on instead of the test images; domains hold out test images."""
        return 0.0 if self.setting == 'domain' else self.holdout

    def report_sizes(self, index: int) -> tuple[int, ...]:
        """Returns how many channels each step added, which is how results are grouped into old and new.

        The single step of joint training is reported by the steps that it merges.
        """
        return self.reported or self.steps[index].sizes

    def to_dict(self) -> dict[str, Any]:
        """Returns everything that defines the protocol as plain values."""
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

    def merged(self) -> Protocol:
        """Returns the protocol of joint training: a single step that learns everything."""
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
            order: None, a published letter, a seed or a list, see :func:`mmciss.protocols.class_orders.read_order`.
            setting: Which images a step sees.
            background: Whether channel 0 is the background.
            dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``: where lettered orders are looked up.
            **options: ``split_files``, ``seed``, ``holdout``.

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
        return cls._build(canonical_name(sizes), setting, names, background, _cut(numbers, sizes), **options)

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
        """Builds a class-incremental protocol from the classes of each step, given by number or name.

        Raises:
            ConfigError: If a class is unknown, missing or listed twice, or if a step has none.

        Examples:
            >>> protocol = Protocol.from_lists([['dog'], ['cat']], class_names=['cat', 'dog'])
            >>> protocol.name, protocol[1].names
            ('1-1', ('background', 'dog', 'cat'))
        """
        key = 'protocol.steps'
        if isinstance(steps, str) or not steps or any(isinstance(part, (str, int)) for part in steps):
            raise ConfigError(f'{key}: {steps!r} is not a list of lists of classes')
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
        """Builds a domain-incremental protocol: every step sees all classes, on images of new domains.

        Args:
            steps: A name such as ``'11-5'``, or the domains of each step.
            domains: All domains in order of arrival; those of ``dataset`` by default.
            num_classes: Number of foreground classes.
            class_names: Their names.
            background: Whether channel 0 is a background class.
            dataset: ``'cityscapes'``: where published domains are looked up.
            name: Name of a protocol that is given by lists.
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
                    'protocol.domains: list the domains in order of arrival (folder names, or what file names '
                    'start with); only Cityscapes has published ones'
                )
            sizes = parse_name(steps, len(domains), 'domains')
            lists = _cut(tuple(domains), sizes)
            name = canonical_name(sizes)
        else:
            lists = [tuple(map(str, part)) for part in steps]
        _check_domains(lists, domains)
        options.setdefault('seed', 1)  # the papers' seed for the held-out images
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
        count = len(options['split_files'])
        if (setting == 'explicit') != bool(count):
            raise ConfigError(
                f"protocol.split_files: needed with setting='explicit' and allowed only there; "
                f'found setting={setting!r} and {count} files'
            )
        if count not in (0, len(steps)):
            raise ConfigError(f'protocol.split_files: {count} files for {len(steps)} steps; one per step is needed')
        return cls(name, setting, class_names, background, tuple(steps), **options)


def _cut(items: tuple[Any, ...], sizes: Sequence[int]) -> list[tuple[Any, ...]]:
    """Cuts ``items`` into consecutive parts of the given sizes."""
    ends = itertools.accumulate(sizes)
    return [items[end - size : end] for end, size in zip(ends, sizes, strict=True)]


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
