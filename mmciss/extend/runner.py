"""Runs an extension: takes over the user's model as step 0, learns the new classes, compares both models."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from torch import Tensor, nn

from mmciss.datasets.pair_dataset import write_manifest, write_plain_dataset
from mmciss.datasets.seeding import seeded
from mmciss.engine.model_config import needs_mmciss
from mmciss.engine.runner.export import RECORD, export_step
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.engine.runner.rehearsal import rehearse_step
from mmciss.engine.runner.samples import MostChanged
from mmciss.evaluation.before_after import BeforeAfter, summarize
from mmciss.evaluation.report import Section
from mmciss.extend.extension import ExtensionExperiment
from mmciss.extend.report import extension_sections, headline, judging_lines
from mmciss.extend.settings import unlabelled_value
from mmciss.models.previous import load_plain_checkpoint
from mmciss.models.step_context import StepState
from mmciss.utils.blame import build
from mmciss.utils.files import file_checksum, read_json, save_tensors, write_json, write_text

SUMMARY = 'extension.json'


@dataclass(frozen=True)
class Extension:
    """The result of an extension.

    Attributes:
        config: The extended model's config.
        checkpoint: Its weights.
        classes: Its class names by id.
        report: Path of the report in Markdown.
        summary: Every number of the comparison, see :func:`mmciss.evaluation.before_after.summarize`.
    """

    config: Path
    checkpoint: Path
    classes: tuple[str, ...]
    report: Path
    summary: dict[str, Any]


class ExtensionRunner(IncrementalRunner):
    """Runs the two steps of an extension; finished work is not repeated.

    Every run tests both exported models on all test sets, since test data may have changed.

    Attributes:
        summary: Every number of the comparison, once it has run.
    """

    experiment: ExtensionExperiment
    summary: dict[str, Any]

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
            rehearse_step(extension.cfg.method, config, step, [step], [plan.iterations])

    def _check_folder(self) -> None:
        extension, record = self.experiment, self.folder.path / 'run.json'
        before, given = read_json(record), extension.read.checksum(as_given=True)
        experiment = before.get('experiment') if isinstance(before, dict) else None
        if isinstance(experiment, dict) and experiment.get('data') == given:  # a folder of an older version
            extension.decides['data'] = given
        super()._check_folder()
        known = read_json(record) or {}
        if 'title' not in known:  # a folder of an older version
            write_json(record, {**extension.details(), **known})
        for line in extension.lines():
            self.logger.info(line)
        unlabelled = unlabelled_value(extension.cfg.method, extension.old.background)
        write_manifest(extension.manifest(), extension.read.sources(unlabelled, extension.whole_images))
        for name, test in extension.read.tests.items():
            write_manifest(extension.manifest(name), [(test.pairs, test.masks.table)])

    def _adopts(self) -> bool:
        return self.folder.result(0) is None

    def _check_base(self) -> None:
        """Nothing to check: reading the model has done it."""

    def _adopt(self) -> None:
        path, old = self.folder.step(0), self.experiment.old
        config = self.experiment.plain_config(0)
        meta = dict(config.test_dataloader.dataset.metainfo)
        save_tensors(path / 'model.pth', {'state_dict': old.weights, 'meta': {'dataset_meta': meta}})
        write_text(path / 'model_config.py', config.pretty_text)
        if old.state:
            save_tensors(path / 'state.pth', old.state)
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
        export_step(runner, self.experiment.old.plain_source, self.folder.step(index), found)

    def _test(self, index: int, runner: Runner) -> dict[str, Any]:
        """Leaves testing to :meth:`_compare`, which tests the exported models."""
        return {}

    def _report(self, sections: Sequence[Section] = ()) -> None:
        """Writes the extended model and what both models answer, then the report of the run."""
        extension, path = self.experiment, self.folder.path
        # The set that labels all classes if there is one, else that of the new images.
        test = max(extension.read.tests.values(), key=lambda item: len(item.masks.labelled) == len(extension.classes))
        dataset = write_plain_dataset(path / 'data' / 'test', test.pairs, test.masks.table)
        config, training = extension.plain_config(1), extension.cfg.train_dataloader
        if dataset is not None:
            dataset |= {key: config.test_dataloader.dataset[key] for key in ('metainfo', 'pipeline')}
            config.test_dataloader.dataset = dataset
        # What a further extension needs.
        config.train_pipeline = training.dataset.pipeline
        config[RECORD] = dict(optim_wrapper=extension.old.optim_wrapper, batch_size=int(training.batch_size))
        if extension.old.max_iters:
            config[RECORD]['max_iters'] = extension.old.max_iters
        write_text(path / 'model_config.py', config.pretty_text)
        shutil.copyfile(self.folder.step(1) / 'model.pth', path / 'model.pth')
        if needs_mmciss(config):  # its rows were solved for; so will those of a further extension
            shutil.copyfile(self.folder.step(1) / 'state.pth', path / 'state.pth')
        self.summary = {**extension.facts(), **self._compare()}
        found = [headline(self.summary), *judging_lines(self.summary)]
        result = self.folder.result(1) or {}
        if not result.get('decision', result)['plain']:
            self.summary['notes'].append(
                'The method does not simply take the largest logit; the exported model, whose numbers are given here, '
                'approximates its decision.'
            )
        write_json(path / SUMMARY, self.summary)
        self._write_results([*found, *self.summary['notes']])
        for line in found:
            self.logger.info(line)
        self.logger.info(f'The extended model is {path / "model_config.py"} with {path / "model.pth"}.')
        super()._report([*extension_sections(self.summary), *sections])

    def _compare(self) -> dict[str, Any]:
        extension, step = self.experiment, self.experiment.protocol[1]
        folders = [self.folder.step(index) for index in (0, 1)]
        before, after = (load_plain(folder, 'cuda' if torch.cuda.is_available() else 'cpu') for folder in folders)
        samples, found = MostChanged(), {}
        for name, test in extension.read.tests.items():
            dataset = DATASETS.build(extension.pairs(name, pipeline=extension.old.test_pipeline, test_mode=True))
            found[name] = BeforeAfter(step, test.masks.labelled, test.title)
            compare(before, after, dataset, found[name], samples)
        samples.write(folders)
        return summarize(step, found, extension.read.judges)

    def _write_results(self, notes: list[str]) -> None:
        """Adds the results of the comparison to those of the steps."""
        classes, sets = self.summary['classes'], self.summary['sets']
        titles = [item['judged_on'] and sets[item['judged_on']]['title'] for item in classes]
        for index, (counts, key) in enumerate((('confusion_before', 'before'), ('confusion', 'after'))):
            step = self.experiment.protocol[index]
            known = slice(step.num_seen)
            found = {
                'confusion': [row[known] for row in self.summary[counts][known]],
                'iou': [item[key] for item in classes[known]],
                'judged_on': titles[known],
                'palette': self.experiment.palette[known],
                'num_images': sum(self.summary['images'].values()),
                'data_background': step.background,
                'notes': notes,
            }
            write_json(self.folder.step(index) / 'result.json', {**(self.folder.result(index) or {}), **found})


def load_plain(folder: Path, device: str) -> nn.Module:
    """Loads ``model.pth`` with the ``model_config.py`` of its folder, ready to predict."""
    model = MODELS.build(Config.fromfile(folder / 'model_config.py').model)
    load_plain_checkpoint(model, folder / 'model.pth', key='model')
    return model.to(device).eval()


@torch.no_grad()
def compare(before: nn.Module, after: nn.Module, dataset: Any, found: BeforeAfter, samples: MostChanged) -> None:
    """Runs both models on every image of a data set, counts what they say, and keeps those that changed most.

    The data set gives samples of MMSegmentation; their labels are channels, :data:`UNKNOWN` or 255.
    """
    for index in range(len(dataset)):
        item = dataset[index]
        old, new = _predict(before, item), _predict(after, item)
        label = item['data_samples'].gt_sem_seg.data[0].to(old.device)
        found.add(label, old, new)
        samples.add(item['inputs'], label, old, new, len(found.agreement))


def _predict(model: Any, item: dict[str, Any]) -> Tensor:
    # Models write into the samples that they get.
    data = {'inputs': [item['inputs']], 'data_samples': [item['data_samples'].clone()]}
    return model.test_step(data)[0].pred_sem_seg.data[0]
