"""Runs an extension: takes over the user's model as step 0, learns the new classes, compares both models."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from mmciss.datasets.pair_dataset import write_manifest
from mmciss.datasets.seeding import seeded
from mmciss.engine.runner.export import export_step
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.engine.runner.rehearsal import rehearse_step
from mmciss.evaluation.report import Section
from mmciss.extend.comparison import Comparison, Pictures, compare, load_plain
from mmciss.extend.export import export_source, extended_config, model_config, write_config, write_test_set
from mmciss.extend.extension import ExtensionExperiment
from mmciss.extend.pipelines import plain_test_pipeline
from mmciss.extend.report import extension_sections, headline, judging_lines
from mmciss.extend.summary import summarize
from mmciss.models.step_context import StepState
from mmciss.utils.blame import build
from mmciss.utils.files import file_checksum, read_json, save_tensors, write_json

SUMMARY = 'extension.json'


@dataclass(frozen=True)
class Extension:
    """The result of an extension.

    Attributes:
        config: The extended model's config.
        checkpoint: Its weights.
        classes: Its class names by id.
        report: Path of the report in Markdown.
        summary: Every number of the comparison, see :func:`mmciss.extend.summary.summarize`.
    """

    config: Path
    checkpoint: Path
    classes: tuple[str, ...]
    report: Path
    summary: dict[str, Any]


class ExtensionRunner(IncrementalRunner):
    """Runs the two steps of an extension; finished work is not repeated.

    Every run tests both exported models on all test sets, since test data may have changed.

    Args:
        extension: The extension.
        resume: Whether to continue an interrupted extension.

    Raises:
        ConfigError: If the training cannot be set up, before anything is written.
    """

    experiment: ExtensionExperiment

    def __init__(self, extension: ExtensionExperiment, resume: bool = False) -> None:
        self.summary: dict[str, Any] = {}
        super().__init__(extension.cfg, extension)
        self.cfg.resume = resume

    def run(self) -> Extension:
        """Learns, compares and reports."""
        self.train()
        path = self.folder.path
        files = path / 'model_config.py', path / 'model.pth'
        return Extension(*files, self.experiment.classes, path / 'report.md', self.summary)

    def _rehearse(self) -> None:
        extension = self.experiment
        step, plan = extension.protocol[1], extension.plans[1]
        config = extension.step_config(1, StepState('model.pth'))
        dataset = {**copy.deepcopy(config.train_dataloader.dataset), 'lazy_init': True}
        build(DATASETS, dataset, 'train_dataloader.dataset')
        with seeded(0, 0):
            rehearse_step(extension.cfg, config, step, [step], [plan.iterations])

    def _check_folder(self) -> None:
        super()._check_folder()
        known = read_json(self.folder.path / 'run.json') or {}
        if 'title' not in known:  # a folder of an older version
            write_json(self.folder.path / 'run.json', {**self.experiment.details(), **known})
        for line in self.experiment.lines():
            self.logger.info(line)
        write_manifest(self.experiment.manifest(), self.experiment.read.sources(self.experiment.unlabelled))
        for name, test in self.experiment.read.tests.items():
            write_manifest(self.experiment.manifest(name), [(test.pairs, test.masks.table)])

    def _adopts(self) -> bool:
        return self.folder.result(0) is None

    def _check_base(self) -> None:
        """Nothing to check: reading the model has done it."""

    def _adopt(self) -> None:
        path, old = self.folder.step(0), self.experiment.old
        config = model_config(old, old.names, self.experiment.palette)
        meta = dict(config.test_dataloader.dataset.metainfo)
        save_tensors(path / 'model.pth', {'state_dict': old.weights, 'meta': {'dataset_meta': meta}})
        write_config(config, path / 'model_config.py')
        result = {
            'step': 0,
            'sizes': [old.num_classes],
            'classes': list(old.names),
            'background': old.background,
            'adopted_from': old.checkpoint,
            'model': 'model.pth',
            'sha256': file_checksum(path / 'model.pth'),
        }
        write_json(path / 'result.json', result)

    def _export(self, index: int, runner: Runner, found: Mapping[str, Any]) -> None:
        export_step(runner, export_source(self.experiment.old.cfg), self.folder.step(index), found)

    def _test(self, index: int, runner: Runner) -> dict[str, Any]:
        """Leaves testing to :meth:`_compare`, which tests the exported models."""
        return {}

    def _report(self, sections: Sequence[Section] = ()) -> None:
        extension, path = self.experiment, self.folder.path
        # The set that labels all classes if there is one, else that of the new images.
        tests = extension.read.tests
        test = max(tests.values(), key=lambda item: len(item.masks.labelled) == len(extension.classes))
        dataset = write_test_set(path / 'data' / 'test', test.pairs, test.masks.table)
        config = extended_config(extension.old, extension.classes, extension.palette, extension.cfg, dataset)
        write_config(config, path / 'model_config.py')
        shutil.copyfile(self.folder.step(1) / 'model.pth', path / 'model.pth')
        titles = {name: item.title for name, item in tests.items()}
        summary = summarize(extension.protocol[1], self._compare(), titles, extension.read.judges)
        self.summary.update(extension.facts(), **summary)
        found = [headline(self.summary), *judging_lines(self.summary)]
        notes = self.summary['notes']
        result = self.folder.result(1) or {}
        decision = result.get('decision') or result
        if not decision['plain']:
            notes.append(
                'The method does not simply take the largest logit; the exported model, whose numbers are given here, '
                'approximates its decision.'
            )
        write_json(path / SUMMARY, self.summary)
        self._write_results([*found, *notes])
        for line in found:
            self.logger.info(line)
        self.logger.info(f'The extended model is {path / "model_config.py"} with {path / "model.pth"}.')
        super()._report([*extension_sections(self.summary), *sections])

    def _compare(self) -> dict[str, Comparison]:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        before, after = (load_plain(self.folder.step(index), device) for index in (0, 1))
        pipeline = plain_test_pipeline(self.experiment.old.cfg)
        pictures = Pictures()
        found = {}
        for name, test in self.experiment.read.tests.items():
            dataset = DATASETS.build(self.experiment.pairs(name, pipeline=pipeline, test_mode=True))
            found[name] = compare(before, after, dataset, self.experiment.protocol[1], test.masks.labelled, pictures)
        pictures.write([self.folder.step(index) for index in (0, 1)])
        return found

    def _write_results(self, notes: list[str]) -> None:
        """Adds the results of the comparison to those of the steps."""
        judges = [item['judged_on'] for item in self.summary['classes']]
        titles = [self.summary['sets'][judge]['title'] if judge else None for judge in judges]
        for index, (counts, key) in enumerate((('confusion_before', 'before'), ('confusion', 'after'))):
            step = self.experiment.protocol[index]
            found = {
                'confusion': [row[: step.num_seen] for row in self.summary[counts][: step.num_seen]],
                'iou': [item[key] for item in self.summary['classes'][: step.num_seen]],
                'judged_on': titles[: step.num_seen],
                'palette': [list(colour) for colour in self.experiment.palette[: step.num_seen]],
                'num_images': sum(self.summary['images'].values()),
                'data_background': step.background,
                'notes': notes,
            }
            write_json(self.folder.step(index) / 'result.json', {**(self.folder.result(index) or {}), **found})
