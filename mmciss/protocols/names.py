"""Protocol names such as '15-1', read as the number of classes per step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmciss.errors import ConfigError

JOINT_NAMES = ('offline', 'joint')
"""Names of the protocol with a single step."""

_ORDER_IN_NAME: dict[str, dict[str, tuple[str, str]]] = {
    'voc': {'19-1b': ('19-1', '19-1b')},
    'ade20k': {
        '50': ('50-50', 'a'),
        '50b': ('50-50', 'b'),
        '50c': ('50-50', 'c'),
        **{f'{name}{letter}': (name, letter) for letter in 'abc' for name in ('100-50', '100-10', '100-5', '50-50')},
    },
}
"""Names in the papers' repositories that include the class order."""


def split_name(name: str, dataset: str | None) -> tuple[str, str | None]:
    """Separates a published name from the class order it may include.

    ``'15-1_c'`` (DKD, SSUL), ``'15-5s_c'`` (PLOP) and ``'100-10b'`` (MiB) end with the letter of an order. AWT's names
    without an underscore count the letters differently ('15-1a' is PLOP's order b); they are refused rather than
    guessed.

    Examples:
        >>> split_name('15-5s_c', 'voc')
        ('15-5s', 'c')
        >>> split_name('50b', 'ade20k')
        ('50-50', 'b')
    """
    known = _ORDER_IN_NAME.get(dataset or '', {})
    if name in known:
        return known[name]
    stem, separator, letter = name.partition('_')
    if separator and re.fullmatch('[a-z]', letter):
        return stem, letter
    if re.fullmatch(r'\d+-\d+[a-rt-z]', name):
        raise ConfigError(
            f'protocol.name: {name!r} means different orders in different papers; use '
            f"name={name[:-1]!r} with order='{name[-1]}' (PLOP's letters) or a list"
        )
    return name, None


def parse_name(name: str, total: int, what: str = 'classes') -> tuple[int, ...]:
    """Returns how many classes (or domains) arrive at each step.

    ``'B-I'`` is a base of B, then I at a time; ``'B-Ns'`` is what repositories call ``'B-1'``; ``'A-B-C'`` lists every
    step; ``'offline'`` and ``'joint'`` are a single step.

    Args:
        name: Name without a class order.
        total: Total number of classes or domains.
        what: What is counted, for messages.

    Raises:
        ConfigError: If the name cannot be read or does not fit the number of classes.

    Examples:
        >>> parse_name('15-1', 20)
        (15, 1, 1, 1, 1, 1)
        >>> parse_name('10-5-5', 20)
        (10, 5, 5)
    """
    if name in JOINT_NAMES:
        return (total,)
    if not re.fullmatch(r'[0-9]+(-[0-9]+)+|[0-9]+-[0-9]+s', name):
        raise ConfigError(
            f"protocol.name: cannot read {name!r}. Allowed: 'BASE-INCREMENT' such as '15-1', the "
            f"sizes of all steps such as '10-5-5', {' or '.join(map(repr, JOINT_NAMES))}; or list "
            f'the classes of every step in protocol.steps'
        )
    sizes = [int(part) for part in name.rstrip('s').split('-')]
    if name.endswith('s'):
        sizes[1] = 1
    if 0 in sizes:
        raise ConfigError(f'protocol.name: {name!r} has a step with no {what}')
    if len(sizes) == 2:
        return _repeat_increment(name, sizes[0], sizes[1], total, what)
    if sum(sizes) != total:
        raise ConfigError(f'protocol.name: the steps of {name!r} have {sum(sizes)} {what}, the data set has {total}')
    return tuple(sizes)


def _repeat_increment(name: str, base: int, increment: int, total: int, what: str) -> tuple[int, ...]:
    rest = total - base
    if rest <= 0:
        raise ConfigError(
            f'protocol.name: {name!r} needs more than {base} {what}; the data set has {total}. '
            f"Use a base below {total}, or 'offline' for a single step"
        )
    if rest % increment:
        divisors = ', '.join(f"'{base}-{size}'" for size in range(1, rest + 1) if rest % size == 0)
        raise ConfigError(
            f'protocol.name: after a base of {base}, {rest} of the {total} {what} remain, which is not a multiple of '
            f'{increment}. Allowed with this base: {divisors}; or list the steps in protocol.steps'
        )
    return (base,) + (increment,) * (rest // increment)


def canonical_name(sizes: Sequence[int]) -> str:
    """Returns the usual name for these step sizes, the same for '15-5s' and '15-1'.

    Examples:
        >>> canonical_name([10, 5, 5]), canonical_name([3, 2, 1]), canonical_name([20])
        ('10-5', '3-2-1', 'offline')
    """
    if len(sizes) == 1:
        return JOINT_NAMES[0]
    if len(set(sizes[1:])) == 1:
        sizes = sizes[:2]
    return '-'.join(map(str, sizes))
