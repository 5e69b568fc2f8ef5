"""Published domains, and which domain an image belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from mmciss.errors import ConfigError

CITYSCAPES_CITIES = (
    'aachen',
    'bremen',
    'darmstadt',
    'erfurt',
    'hanover',
    'krefeld',
    'strasbourg',
    'tubingen',
    'weimar',
    'bochum',
    'cologne',
    'dusseldorf',
    'hamburg',
    'jena',
    'monchengladbach',
    'stuttgart',
    'ulm',
    'zurich',
    'frankfurt',
    'lindau',
    'munster',
)
"""The 21 cities in the order of PLOP's domain-incremental protocols (arXiv 2011.11390): the 18 of the training set,
then the three of the validation set."""

DOMAINS = {'cityscapes': CITYSCAPES_CITIES}
"""Published domains by data set."""


def domain_of(path: str, domains: Sequence[str]) -> str | None:
    """Returns the domain of an image: the folder it is in, or the start of its file name.

    Examples:
        >>> domain_of('train/ulm/ulm_000001_000019_leftImg8bit.png', CITYSCAPES_CITIES)
        'ulm'
    """
    pure = PurePath(path)
    for folder in reversed(pure.parts[:-1]):
        if folder in domains:
            return folder
    return next(
        (
            name
            for name in sorted(domains, key=len, reverse=True)
            if pure.stem == name or pure.stem.startswith(f'{name}_')
        ),
        None,
    )


def domains_of(paths: Sequence[str], domains: Sequence[str]) -> list[str]:
    """Returns the domain of every image.

    Raises:
        ConfigError: If an image belongs to no domain of the protocol.
    """
    found = [domain_of(str(path), domains) for path in paths]
    unknown = [str(path) for path, domain in zip(paths, found) if domain is None]
    if unknown:
        raise ConfigError(
            f'protocol.domains: {len(unknown)} images belong to no domain, for example {unknown[0]}. '
            f'Domains: {", ".join(domains)}; the domain of an image is its folder, or the start of its file name'
        )
    return [domain for domain in found if domain is not None]
