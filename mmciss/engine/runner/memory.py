"""Choosing, after a step, the images that later steps may see again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.logging import print_log

from mmciss.datasets.exemplars import SELECTIONS, Exemplar, Memory, ReplayOptions
from mmciss.datasets.samplers import DrawnIndex
from mmciss.datasets.seeding import mix
from mmciss.errors import ConfigError
from mmciss.utils.files import file_checksum, value_checksum

if TYPE_CHECKING:
    from mmciss.datasets.incremental_dataset import IncrementalDataset
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.run_folder import RunFolder

FILE = 'memory.json'


def memory_options(experiment: Experiment) -> ReplayOptions | None:
    """Returns the method's memory options, checked against the data; None if the method has no memory.

    Raises:
        ConfigError: If the memory is larger than the data of the base step, or an option is wrong.
    """
    options = ReplayOptions.from_method(experiment.cfg.get('method'))
    if options is not None and len(experiment.protocol) > 1:
        options.check(experiment.num_images)
    return options


def store_exemplars(folder: RunFolder, experiment: Experiment, index: int) -> Path | None:
    """Writes ``step_<index>/memory.json`` if it is not there yet; to be called by one process only.

    The choice depends on the data, the options and the seed alone. It is therefore the same if the base step comes from
    a run without memory, or if the run was killed before it wrote the file.

    Args:
        folder: The run.
        experiment: What it learns.
        index: The finished step.

    Returns:
        The file, or None if the method has no memory.
    """
    options = memory_options(experiment)
    if options is None:
        return None
    seed = experiment.seed
    path = folder.step(index) / FILE
    known = folder.files(index).get(FILE)
    how = [options.size, options.selection, options.labels, seed, index, experiment.split_hash]
    if options.candidates != 'images':  # left out of files of runs that did not know this option
        how.append(options.candidates)
    key = value_checksum(how)
    try:
        if Memory.load(path).key == key and known in (None, file_checksum(path)):
            folder.add_file(index, FILE)
            return path
    except ConfigError:
        pass
    if known is not None:
        print_log(
            f'{path} is not the file that result.json names, or was made with other options; it is written again.',
            logger='current',
            level=logging.WARNING,
        )
    before: tuple[Exemplar, ...] = ()
    if index:
        last = store_exemplars(folder, experiment, index - 1)
        assert last is not None, 'the method stores images at every step'
        before = Memory.load(last).exemplars
    dataset = experiment.dataset(index, 'train')
    crops = in_crops(dataset, mix(seed, index)) if options.candidates == 'crops' else None
    found = candidates(before, dataset, options.labels == 'full', crops)
    chosen = SELECTIONS[options.selection](found, options.size, mix(seed, index))
    Memory(index, tuple(chosen), key).save(path)
    folder.add_file(index, FILE)
    print_log(f'{len(chosen)} of {len(found)} images are kept for later steps, listed in {path}.', logger='current')
    return path


def in_crops(dataset: IncrementalDataset, seed: int) -> list[set[int]]:
    """Returns the classes of the step that each image shows in one draw of the training pipeline.

    This loads every image of the step once.

    Args:
        dataset: The step's images.
        seed: Seed of the draws.
    """
    channels = dataset.step.channel_of
    numbers = {channels[number]: number for number in dataset.step.new or dataset.step.seen}
    found = []
    for place in range(len(dataset)):
        sample = dataset[DrawnIndex(place, seed, place)]
        shown = sample['data_samples'].gt_sem_seg.data.unique().tolist()
        found.append({numbers[channel] for channel in shown if channel in numbers})
    return found


def candidates(
    before: tuple[Exemplar, ...], dataset: IncrementalDataset, full_labels: bool, crops: list[set[int]] | None = None
) -> list[Exemplar]:
    """Returns the images that may be kept after a step: those kept before, and the step's own.

    An image is known to show the classes that were labelled when it was seen: those of its step or, with full labels,
    every class seen so far.

    Args:
        before: The memory with which the step trained.
        dataset: The step's images.
        full_labels: Whether labels of all seen classes are stored with the images.
        crops: Classes that each of the step's images shows, if that is not to be read from its whole mask.
    """
    matrix = dataset.presence.matrix
    step = dataset.step
    labelled = list(step.seen if full_labels or not step.new else step.new)
    kept = {item.path: item for item in before}
    if full_labels and before:
        for position, image in enumerate(dataset.source.counts.paths):
            if image in kept:
                seen = tuple(number for number in labelled if matrix[position, number])
                kept[image] = Exemplar(image, kept[image].step, seen)
    for place, (position, image) in enumerate(zip(dataset.indices, dataset.paths, strict=True)):
        whole = {number for number in labelled if matrix[position, number]}
        shown = whole if crops is None else crops[place]
        known = kept.get(image)
        kept[image] = Exemplar(
            image,
            step.index if known is None else known.step,
            tuple(shown | set(() if known is None else known.classes)),
        )
    return list(kept.values())
