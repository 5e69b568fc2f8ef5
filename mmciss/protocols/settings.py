"""Which images a step sees: one function per setting, each returning sorted image indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmciss.errors import ConfigError
from mmciss.protocols.image_paths import domains_of, read_image_list
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.step import Step


def overlapped(step: Step, presence: ClassPresence) -> np.ndarray:
    """Images that show a new class; they may also show future classes, labelled as background."""
    return presence.images_with(step.new)


def disjoint(step: Step, presence: ClassPresence) -> np.ndarray:
    """Images that show a new class and no future class: no image is in two steps."""
    future = sorted(set(range(1, presence.num_classes + 1)) - set(step.seen))
    return np.flatnonzero(presence.has_any(step.new) & ~presence.has_any(future))


def sequential(step: Step, presence: ClassPresence) -> np.ndarray:
    """The images of ``disjoint``, with the labels of old classes kept (see the label policy)."""
    return disjoint(step, presence)


def partitioned(step: Step, presence: ClassPresence, seed: int = 0) -> np.ndarray:
    """Images assigned to a new class: each image belongs to one class (arXiv 2405.09858).

    Unlike with ``overlapped``, no image returns with other labels; unlike with ``disjoint``, images may show future
    classes. See :func:`partition`.
    """
    return np.flatnonzero(np.isin(partition(presence, seed), step.new))


def partition(presence: ClassPresence, seed: int = 0) -> np.ndarray:
    """Assigns every image to one of the classes that it shows.

    Images are taken in random order. Each goes to the class that has so far received the smallest share of its images,
    so that all classes end up with about the same share; ties go to the rarest class. The result depends only on the
    data and the seed, so a protocol with finer steps refines one with coarser steps. The paper only says that every
    image goes to one class; the balancing is ours.

    Returns:
        (images,) class numbers; 0 for images that show no class.

    Examples:
        >>> partition(ClassPresence.from_labels([[1], [1, 2], []], num_classes=2)).tolist()
        [1, 2, 0]
    """
    totals = presence.matrix.sum(axis=0).tolist()
    given = [0] * len(totals)
    owner = np.zeros(presence.num_images, dtype=np.int64)
    images, columns = np.nonzero(presence.matrix[:, 1:])
    starts = np.searchsorted(images, np.arange(presence.num_images + 1)).tolist()
    numbers = (columns + 1).tolist()
    # NumPy never changes RandomState's stream, so a seed always gives the same partition.
    for image in np.random.RandomState(seed).permutation(presence.num_images).tolist():
        shown = numbers[starts[image] : starts[image + 1]]
        if shown:
            best = min(shown, key=lambda number: (given[number] / totals[number], totals[number], number))
            given[best] += 1
            owner[image] = best
    return owner


def domain(domains: Sequence[str], image_domains: Sequence[str]) -> np.ndarray:
    """Images that belong to one of ``domains``, given the domain of every image."""
    return np.flatnonzero(np.isin(np.asarray(image_domains, dtype=str), domains))


def explicit(split_file: str, paths: Sequence[str]) -> np.ndarray:
    """Images listed in a file, see :func:`mmciss.protocols.image_paths.read_image_list`."""
    return read_image_list(split_file, paths)


def hold_out(indices: np.ndarray, share: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Splits images at random into training and test images.

    PLOP's and RCIL's Cityscapes protocols (arXiv 2011.11390) hold out the last 20 % of each step's shuffled images.
    Here it is done per domain, so that all protocols have the same test images.

    Returns:
        Sorted indices of the training images, sorted indices of the test images.

    Examples:
        >>> [len(part) for part in hold_out(np.arange(10), 0.2)]
        [8, 2]
    """
    shuffled = np.random.RandomState(seed).permutation(indices)
    kept = len(shuffled) - round(share * len(shuffled))
    return np.sort(shuffled[:kept]), np.sort(shuffled[kept:])


_BY_CLASSES = {'overlapped': overlapped, 'disjoint': disjoint, 'sequential': sequential}


def select_images(
    protocol: Protocol, step_index: int, presence: ClassPresence, paths: Sequence[str] | None = None
) -> np.ndarray:
    """Returns the sorted indices of the images that a step trains on.

    Args:
        protocol: The protocol.
        step_index: The step.
        presence: Classes shown by every image of the data set.
        paths: Path of every image; needed for the settings ``'explicit'`` and ``'domain'``.

    Raises:
        ConfigError: If the step has no images, or if an image list or a domain does not fit.
    """
    _check_sizes(protocol, presence, paths)
    step = protocol[step_index]
    if protocol.setting == 'explicit':
        chosen = _explicit_images(protocol, step_index, _needed(paths, protocol))
    elif protocol.setting == 'domain':
        chosen, _ = _domain_images(protocol, step, _needed(paths, protocol))
    elif protocol.setting == 'partitioned':
        chosen = partitioned(step, presence, protocol.seed)
    else:
        chosen = _BY_CLASSES[protocol.setting](step, presence)
    if protocol.held_out:
        chosen = np.setdiff1d(chosen, _held_out(protocol, presence))
    if not len(chosen):
        what = (
            f'domains {", ".join(step.domains)}'
            if step.domains
            else 'classes ' + ', '.join(f'{number} ({protocol.class_names[number - 1]})' for number in step.new)
        )
        raise ConfigError(
            f'protocol: step {step_index} of {protocol.name!r} ({protocol.setting}) has no '
            f'images among the {presence.num_images} of the data set{_less(protocol)}; it learns {what}'
        )
    return chosen


def select_test_images(
    protocol: Protocol,
    step_index: int,
    presence: ClassPresence,
    test_images: str = 'seen',
    paths: Sequence[str] | None = None,
) -> np.ndarray:
    """Returns the sorted indices of the images that a step is tested on.

    Domain-incremental protocols are tested on all images, since they know all classes; with ``holdout``, on the
    held-out images of the domains seen so far. With other protocols ``holdout`` leaves those of the training images
    that no step learns from.

    Args:
        protocol: The protocol.
        step_index: The step.
        presence: Classes shown by every test image, or by every training image if the protocol tests on these.
        test_images: ``'seen'`` keeps images with a pixel of a seen class, ``'all'`` keeps every image.
        paths: Path of every image; needed if the protocol holds images out.

    Raises:
        ConfigError: If the filter is unknown.
    """
    if test_images not in ('seen', 'all'):
        raise ConfigError(f'protocol.label_policy.test_images: {test_images!r}; allowed: seen, all')
    _check_sizes(protocol, presence, paths)
    if protocol.held_out:
        held_out = _held_out(protocol, presence)
        seen = presence.has_any(protocol[step_index].seen)[held_out]
        return held_out if test_images == 'all' else held_out[seen]
    if protocol.holdout:
        steps = protocol[: step_index + 1]
        parts = [_domain_images(protocol, step, _needed(paths, protocol))[1] for step in steps]
        return np.sort(np.concatenate(parts))
    if test_images == 'all' or protocol.setting == 'domain':
        return np.arange(presence.num_images)
    return presence.images_with(protocol[step_index].seen)


def _explicit_images(protocol: Protocol, step_index: int, paths: Sequence[str]) -> np.ndarray:
    if protocol.joint:
        return np.unique(np.concatenate([explicit(file, paths) for file in protocol.split_files]))
    return explicit(protocol.split_files[step_index], paths)


def _domain_images(protocol: Protocol, step: Step, paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images of a step's domains to train on, and those held out."""
    image_domains = domains_of(paths, protocol.domains)
    if not protocol.holdout:
        return domain(step.domains, image_domains), np.zeros(0, dtype=np.int64)
    # Per domain, so that all protocols over the same domains hold out the same images.
    parts = [hold_out(domain((name,), image_domains), protocol.holdout, protocol.seed) for name in step.domains]
    train, test = (np.sort(np.concatenate(part)) for part in zip(*parts, strict=True))
    return train, test


def _held_out(protocol: Protocol, presence: ClassPresence) -> np.ndarray:
    """Returns the training images that are tested on; they depend on the data, the share and the seed alone."""
    _, held_out = hold_out(np.arange(presence.num_images), protocol.held_out, protocol.seed)
    if not len(held_out):
        raise ConfigError(f'protocol.holdout: {protocol.holdout:g} of {presence.num_images} training images is none')
    return held_out


def _less(protocol: Protocol) -> str:
    return f' without the {100 * protocol.held_out:g} % held out (protocol.holdout)' if protocol.held_out else ''


def _check_sizes(protocol: Protocol, presence: ClassPresence, paths: Sequence[str] | None) -> None:
    if presence.num_classes != protocol.num_classes:
        raise ValueError(f'presence of {presence.num_classes} classes for a protocol of {protocol.num_classes}')
    if paths is not None and len(paths) != presence.num_images:
        raise ValueError(f'{len(paths)} paths for {presence.num_images} images')


def _needed(paths: Sequence[str] | None, protocol: Protocol) -> Sequence[str]:
    if paths is None:
        raise ValueError(f'setting {protocol.setting!r} needs the path of every image')
    return paths
