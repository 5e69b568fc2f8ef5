"""Which images a step sees: one function per setting, each returning sorted image indices."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmciss.errors import ConfigError
from mmciss.protocols.domains import domains_of
from mmciss.protocols.image_lists import read_image_list
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.step import Step


def overlapped(step: Step, presence: ClassPresence) -> np.ndarray:
    """Every image that shows a new class; future classes may be in it, as background."""
    return presence.images_with(step.new)


def disjoint(step: Step, presence: ClassPresence) -> np.ndarray:
    """Images that show a new class and no future class: every image is in exactly one step."""
    future = sorted(set(range(1, presence.num_classes + 1)) - set(step.seen))
    return np.flatnonzero(presence.has_any(step.new) & ~presence.has_any(future))


def sequential(step: Step, presence: ClassPresence) -> np.ndarray:
    """The images of ``disjoint``; the labels of old classes are kept (see the label policy)."""
    return disjoint(step, presence)


def partitioned(step: Step, presence: ClassPresence, seed: int = 0) -> np.ndarray:
    """Every image belongs to one class, and goes to the step that learns it (arXiv 2405.09858).

    Unlike ``overlapped`` no image comes back with other labels, unlike ``disjoint`` future classes may
    be in it. See :func:`partition`.
    """
    return np.flatnonzero(np.isin(partition(presence, seed), step.new))


def partition(presence: ClassPresence, seed: int = 0) -> np.ndarray:
    """Gives every image to one of the classes that it shows.

    The images come in a random order, and each goes to the class of which the smallest share has been
    given out so far, so that all classes keep about the same share of their images; among equals, to
    the rarest. It depends on the data and the seed only: protocols with finer steps refine others.

    Returns:
        (images,) class numbers; 0 for images that show no class.

    Examples:
        >>> partition(ClassPresence.from_labels([[1], [1, 2], []], num_classes=2)).tolist()
        [1, 2, 0]
    """
    totals = presence.matrix.sum(axis=0).tolist()
    given = [0] * len(totals)
    owner = np.zeros(presence.num_images, dtype=np.int64)
    images, numbers = np.nonzero(presence.matrix[:, 1:])
    starts = np.searchsorted(images, np.arange(presence.num_images + 1)).tolist()
    numbers = (numbers + 1).tolist()
    # RandomState's stream is frozen by NumPy, so that a seed means the same partition for ever.
    for image in np.random.RandomState(seed).permutation(presence.num_images).tolist():
        shown = numbers[starts[image]:starts[image + 1]]
        if shown:
            best = min(shown, key=lambda number: (given[number] / totals[number], totals[number], number))
            given[best] += 1
            owner[image] = best
    return owner


def domain(step: Step, image_domains: Sequence[str]) -> np.ndarray:
    """Images of the step's domains."""
    return np.flatnonzero(np.isin(np.asarray(image_domains, dtype=object), step.domains))


def explicit(split_file: str, paths: Sequence[str]) -> np.ndarray:
    """Images listed in a file, see :func:`mmciss.protocols.image_lists.read_image_list`."""
    return read_image_list(split_file, paths)


def hold_out(indices: np.ndarray, share: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Splits images at random into those to train on and those to test on.

    PLOP's and RCIL's Cityscapes protocols (arXiv 2011.11390) keep the last 20 % of every step's
    shuffled images for testing.

    Returns:
        Sorted indices for training, sorted indices for testing.

    Examples:
        >>> [len(part) for part in hold_out(np.arange(10), 0.2)]
        [8, 2]
    """
    shuffled = np.random.RandomState(seed).permutation(indices)
    kept = len(shuffled) - int(round(share * len(shuffled)))
    return np.sort(shuffled[:kept]), np.sort(shuffled[kept:])


def select_images(protocol: Protocol, step_index: int, presence: ClassPresence,
                  paths: Sequence[str] | None = None) -> np.ndarray:
    """Returns the sorted indices of the images that a step trains on.

    Args:
        protocol: The protocol, whose setting decides.
        step_index: The step.
        presence: Classes shown by every image of the data set.
        paths: Path of every image, needed for the settings ``'explicit'`` and ``'domain'``.

    Raises:
        ConfigError: If the step has no images, or an image list or a domain does not fit.
    """
    _check_sizes(protocol, presence, paths)
    step = protocol[step_index]
    if protocol.setting == 'explicit':
        chosen = _explicit_images(protocol, step_index, paths or ())
    elif protocol.setting == 'domain':
        chosen = _domain_images(protocol, step, paths or ())
        chosen = hold_out(chosen, protocol.holdout, protocol.seed)[0] if protocol.holdout else chosen
    elif protocol.setting == 'partitioned':
        chosen = partitioned(step, presence, protocol.seed)
    else:
        chosen = {'overlapped': overlapped, 'disjoint': disjoint,
                  'sequential': sequential}[protocol.setting](step, presence)
    if not len(chosen):
        what = f'domains {", ".join(step.domains)}' if step.domains else 'classes ' + ', '.join(
            f'{number} ({protocol.class_names[number - 1]})' for number in step.new)
        raise ConfigError(f'protocol: step {step_index} of {protocol.name!r} ({protocol.setting}) has no '
                          f'images among the {presence.num_images} of the data set; it is to learn {what}')
    return chosen


def select_test_images(protocol: Protocol, step_index: int, presence: ClassPresence,
                       test_images: str = 'seen', paths: Sequence[str] | None = None) -> np.ndarray:
    """Returns the sorted indices of the images that a step is tested on.

    Domain-incremental protocols are tested on the domains seen so far if they hold out a share of each
    domain's images; on all test images otherwise, for which classes are all known.

    Args:
        protocol: The protocol.
        step_index: The step.
        presence: Classes shown by every test image.
        test_images: ``'seen'`` keeps images with a pixel of a seen class, ``'all'`` keeps all.
        paths: Path of every image, needed if the protocol holds images out.

    Raises:
        ConfigError: If the filter is unknown.
    """
    if test_images not in ('seen', 'all'):
        raise ConfigError(f'protocol.label_policy.test_images: {test_images!r}; allowed: seen, all')
    _check_sizes(protocol, presence, paths)
    if protocol.holdout:
        parts = [hold_out(_domain_images(protocol, step, paths or ()), protocol.holdout, protocol.seed)[1]
                 for step in protocol[:step_index + 1]]
        return np.sort(np.concatenate(parts))
    if test_images == 'all' or protocol.setting == 'domain':
        return np.arange(presence.num_images)
    return presence.images_with(protocol[step_index].seen)


def _explicit_images(protocol: Protocol, step_index: int, paths: Sequence[str]) -> np.ndarray:
    if protocol.joint:
        return np.unique(np.concatenate([explicit(file, paths) for file in protocol.split_files]))
    return explicit(protocol.split_files[step_index], paths)


def _domain_images(protocol: Protocol, step: Step, paths: Sequence[str]) -> np.ndarray:
    return domain(step, domains_of(paths, protocol.domains))


def _check_sizes(protocol: Protocol, presence: ClassPresence, paths: Sequence[str] | None) -> None:
    if presence.num_classes != protocol.num_classes:
        raise ValueError(f'presence of {presence.num_classes} classes for a protocol of '
                         f'{protocol.num_classes}')
    if protocol.setting in ('explicit', 'domain') and protocol.split_files + protocol.domains:
        needed = protocol.setting == 'explicit' or paths is not None or protocol.holdout
        if needed and (paths is None or len(paths) != presence.num_images):
            raise ValueError(f'setting {protocol.setting!r} needs the path of each of the '
                             f'{presence.num_images} images, found '
                             f'{"none" if paths is None else len(paths)}')
