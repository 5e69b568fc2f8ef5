"""The whole way from a trained model and a few labelled images to a model that knows more classes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmciss.datasets.pair_dataset import write_manifest
from mmciss.engine.checks.values import LARGEST_SEED, is_integer
from mmciss.engine.runner.launch import check_work_dir
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.errors import ConfigError
from mmciss.extend import training
from mmciss.extend.comparison import Comparison, compare, load_plain, pair_dataset
from mmciss.extend.data import ExtensionData
from mmciss.extend.judging import judging_lines
from mmciss.extend.mask_ids import training_table
from mmciss.extend.methods import extension_method, unlabelled_value
from mmciss.extend.new_classes import check_new_names, extend_palette, extension_step
from mmciss.extend.old_model import OldModel
from mmciss.extend.pipelines import model_readers, with_labels
from mmciss.extend.report import write_extension_report
from mmciss.extend.settings import Setting, Wishes, derive
from mmciss.extend.summary import summarize
from mmciss.extend.test_set import write_test_set
from mmciss.extend.training_config import drop_class_weights, training_config
from mmciss.protocols.labels import IGNORE
from mmciss.protocols.step import Step
from mmciss.utils.files import file_checksum, value_checksum


@dataclass(frozen=True)
class Extension:
    """What came out.

    Attributes:
        config: The extended model's config.
        checkpoint: Its weights.
        classes: Its class names by id.
        report: The report in Markdown.
        summary: All numbers of the report.
    """

    config: Path
    checkpoint: Path
    classes: tuple[str, ...]
    report: Path
    summary: dict[str, Any]


def check_apart(work_dir: str | Path, data: ExtensionData) -> None:
    """Refuses to write into a folder of the user's data, where figures would be read as images later.

    Raises:
        ConfigError: Naming the flag of that folder.
    """
    for name in ('images', 'masks', 'val_images', 'val_masks', 'exemplar_images', 'exemplar_masks'):
        folder = getattr(data, name)
        if folder is not None and Path(work_dir).resolve().is_relative_to(Path(folder).resolve()):
            raise ConfigError(
                f'--work-dir: {work_dir} lies in the folder of --{name.replace("_", "-")}; choose another'
            )


class Extender:
    """Prepares, checks everything, learns, compares and reports.

    Args:
        old: The model.
        classes: Names of the new classes.
        data: Reads the data once the classes are known.
        work_dir: Where everything goes.
        wishes: Settings of the user.
        seed: Seed of training and of what is held out.
        cfg_options: Changes of the training config.

    Raises:
        ConfigError: If anything does not fit, before training starts.
    """

    def __init__(
        self,
        old: OldModel,
        classes: Sequence[str],
        data: ExtensionData,
        work_dir: str | Path,
        wishes: Wishes = Wishes(),
        seed: int = 0,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> None:
        check_work_dir(work_dir, '--work-dir')
        if not is_integer(seed, 0, LARGEST_SEED):
            raise ConfigError(f'--seed: {seed!r}; allowed are whole numbers from 0 to {LARGEST_SEED}')
        self.old = old
        self.folder = RunFolder(work_dir)
        names = check_new_names(classes, old.names)
        check_apart(work_dir, data)
        self.step: Step = extension_step(old.names, names, old.background)
        self.palette = extend_palette(old.palette, old.num_classes, len(names), old.background)
        self.data = data.read(self.step, seed, model_readers(old.cfg))
        self.settings = derive(old, len(self.data.train) + self.data.num_exemplars, self.data.sizes, wishes)
        self.method = extension_method(str(self.settings['method'].value), old.background)
        self.seed = seed
        size = tuple(int(np.median(side)) for side in zip(*self.data.sizes))
        self.cfg: Config = training_config(
            old,
            self.step,
            {key: value for key, value in self.method.items()},
            self.settings,
            str(work_dir),
            seed,
            cfg_options,
            size,
        )
        self.settings['iters'] = Setting(int(self.cfg.train_cfg.max_iters), self.settings['iters'].reason)
        training.check_training(self.cfg, self.step, self.palette)
        self.notes = self._notes()

    def run(self, resume: bool = False) -> Extension:
        """Learns, compares and reports; what is done already is not done again."""
        path = self.folder.path
        with self.folder.lock():
            training.open_folder(self.folder, self._identity(), {'classes': list(self.step.names)}, resume)
            self.announce()
            manifest = self._write_manifests()
            previous = training.adopt(self.folder, self.old, self.palette)
            result = training.learn(self.folder, self.old, self.cfg, self.step, previous, manifest, self.palette)
            if not result['plain']:
                self.notes.append(
                    'The method decides otherwise than by the largest logit; the exported model comes '
                    'close, and all numbers here are those of the exported model.'
                )
            config, checkpoint = self._export()
            comparisons = self._compare()
            titles = {name: test.title for name, test in self.data.tests().items()}
            summary = summarize(self.step, comparisons, titles, self.data.judges, self._facts(result))
            report = write_extension_report(path, summary, comparisons, self.palette)
            for line in judging_lines(summary):
                self.logger.info(line)
            self.logger.info(f'The extended model is {config} with {checkpoint}; the report is {report}.')
        return Extension(config, checkpoint, self.step.names, report, summary)

    @cached_property
    def logger(self) -> MMLogger:
        """Logs to the console and to ``run.log`` in the work directory."""
        return MMLogger.get_instance(
            f'mmciss {self.folder.path}',
            logger_name='mmciss',
            log_file=str(self.folder.path / 'run.log'),
            file_mode='a',
        )

    def announce(self) -> None:
        """Says what will be done, and why."""
        names, old = self.step.names, self.old.num_classes
        self.logger.info(
            f'{self.old.config}: {old} classes, named by {self.old.named_by}, '
            f'{"with" if self.old.background else "without"} a background class. New: '
            + ', '.join(f'{name} (id {old + index})' for index, name in enumerate(names[old:]))
            + '.'
        )
        for line in self.data.lines:
            self.logger.info(line)
        for name, setting in self.settings.items():
            value = setting.value.optimizer.type if name == 'optimizer' else setting.value
            value = f'{value:g}' if isinstance(value, float) else value
            self.logger.info(f'{name}: {value} ({setting.reason})')
        for line in self.notes:
            self.logger.info(line)

    def _notes(self) -> list[str]:
        notes = []
        if drop_class_weights(self.old.cfg.model.to_dict()):
            notes.append('Class weights in the loss were left out: a list of weights has no place for new classes.')
        freeze = self.cfg.method.get('freeze') or {}
        if freeze.get('norm') == 'eval':
            notes.append(
                'Batch norms keep the statistics of the old data, of which there is more, and dropout is off, '
                'so that the model can be compared with its teacher '
                '(--cfg-options method.freeze.norm=train method.freeze.dropout=train).'
            )
        return notes

    def _identity(self) -> dict[str, Any]:
        settings = {key: setting.value for key, setting in self.settings.items()}
        settings['optimizer'] = settings['optimizer'].to_dict()
        return {
            'checkpoint': file_checksum(self.old.checkpoint),
            'classes': list(self.step.names),
            'background': self.old.background,
            'settings': value_checksum(settings),
            'seed': self.seed,
            'method': value_checksum(self.cfg.method.to_dict()),
            'config': value_checksum(self._learning()),
            'data': self.data.checksum(),
        }

    def _learning(self) -> dict[str, Any]:
        keys = ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg')
        content = self.cfg.to_dict()
        return {key: content.get(key) for key in keys}

    def _write_manifests(self) -> str:
        folder = self.folder.path / 'data'
        unlabelled = unlabelled_value(self.method, self.old.background)
        sources = [(self._files(self.data.train), training_table(self.data.new, self.step, unlabelled))]
        if self.data.exemplars is not None:
            sources.append(
                (self._files(self.data.exemplars.data.pairs), training_table(self.data.exemplars, self.step, IGNORE))
            )
        write_manifest(folder / 'train.json', sources)
        for name, test in self.data.tests().items():
            write_manifest(folder / f'{name}.json', [(self._files(test.pairs), test.masks.table)])
        return str(folder / 'train.json')

    @staticmethod
    def _files(pairs: Sequence[Any]) -> list[tuple[str, str]]:
        return [(pair.image, pair.mask) for pair in pairs]

    def _export(self) -> tuple[Path, Path]:
        path = self.folder.path
        # A set that labels all classes if there is one, else that of the new images.
        test = max(self.data.tests().values(), key=lambda item: len(item.masks.labelled) == self.step.num_seen)
        dataset = write_test_set(path / 'data' / 'test', test.pairs, test.masks.table)
        config = training.final_config(self.old, self.step, self.cfg, self.palette, dataset)
        training.write_config(config, path / 'model_config.py')
        shutil.copyfile(self.folder.step(1) / 'model.pth', path / 'model.pth')
        return path / 'model_config.py', path / 'model.pth'

    def _compare(self) -> dict[str, Comparison]:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        before, after = (load_plain(self.folder.step(index), device) for index in (0, 1))
        pipeline = with_labels(training.plain_test_pipeline(self.old.cfg))
        found = {}
        for name, test in self.data.tests().items():
            manifest = str(self.folder.path / 'data' / f'{name}.json')
            dataset = pair_dataset(manifest, self.step.names, self.palette, pipeline)
            found[name] = compare(before, after, dataset, self.step, test.masks.labelled)
        return found

    def _facts(self, result: Mapping[str, Any]) -> dict[str, Any]:
        settings = {
            key: {'value': setting.value.to_dict() if key == 'optimizer' else setting.value, 'reason': setting.reason}
            for key, setting in self.settings.items()
        }
        return {
            'model_config': self.old.config,
            'checkpoint': self.old.checkpoint,
            'settings': settings,
            'seconds': result['seconds'],
            'data': self.data.lines,
            'notes': self.notes,
            'method': self.method.get('name'),
            'moved': [index for index, name in enumerate(self.old.names) if self.step.names[index] != name],
        }
