"""Everything that is known about a run before training; wrong configs fail here."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from mmciss.datasets.exemplars import ReplayOptions
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.protocol_data import ProtocolData, check_measurable
from mmciss.engine.checks.config import check_config
from mmciss.engine.model_config import strip_pretrained
from mmciss.engine.runner.holdout import with_held_out_data
from mmciss.engine.runner.schedule import StepPlan, plan_step
from mmciss.engine.runner.step_config import make_step_config, method_slots, solves, trained_slots
from mmciss.models.step_context import StepContext, StepState
from mmciss.protocols.protocol import Protocol
from mmciss.utils.configs import dataset_name, innermost_dataset, model_name, pipelines
from mmciss.utils.environment import machine, versions
from mmciss.utils.files import value_checksum


@dataclass(frozen=True)
class Experiment:
    """A protocol with its data and schedule, resolved.

    Attributes:
        cfg: The user's config, with the data that ``protocol.holdout`` asks for.
        protocol: The protocol.
        num_images: Training images of every step.
        split_hash: Checksum of every step's list of training images.
        plans: Iterations and learning rate of every step.
        data: Images and labels by split: ``'train'`` lists those of every step, ``'val'`` and ``'test'`` are those of
            the last step.
        classes: Class names in the order of the training data; other data is matched by these names.
        datasets: The data itself, read once; None if steps get their data from elsewhere.
    """

    cfg: Config
    protocol: Protocol
    num_images: tuple[int, ...]
    split_hash: str
    plans: tuple[StepPlan, ...]
    data: dict[str, Any]
    classes: tuple[str, ...]
    datasets: ProtocolData | None

    @classmethod
    def from_cfg(cls, cfg: Config) -> Experiment:
        """Resolves a config: scans the data once, selects every step's images, plans every step.

        Raises:
            ConfigError: If anything in the config cannot work.
            FileNotFoundError: If the data set is not on disk.
        """
        check_config(cfg)
        # Data sets are built before any runner has set the scope.
        init_default_scope(cfg.get('default_scope') or 'mmseg')
        cfg = with_held_out_data(cfg)
        datasets = ProtocolData.from_cfg(cfg)
        protocol = datasets.protocol
        steps = range(len(protocol))
        train = [datasets.dataset(index, 'train') for index in steps]
        # The test data must be there now, not after hours of training.
        data: dict[str, Any] = {'train': [item.describe() for item in train]}
        for split in ('test', 'val'):
            if split in datasets.splits:
                last = datasets.dataset(steps[-1], split)
                # Later steps are tested on what earlier ones are tested on, and more.
                check_measurable(last, datasets.dataset(0, split), split)
                data[split] = last.describe()
        batch = int(cfg.train_dataloader.get('batch_size') or 1) * get_world_size()
        names = [[path.rsplit('/', 1)[-1] for path in item.paths] for item in train]
        _note_unused_steps(cfg.get('steps') or {}, len(protocol))
        slots = [method_slots(cfg.get('method'), step) for step in protocol]
        plans = [
            plan_step(
                cfg.get('steps'),
                index,
                len(item) + stored_images(slots[index], index),
                batch,
                cfg.train_cfg.get('max_iters'),
                solved=solves(slots[index]),
            )
            for index, item in enumerate(train)
        ]
        assert datasets.classes is not None, 'the training data has them'
        return cls(
            cfg, protocol, tuple(map(len, train)), value_checksum(names), tuple(plans), data, datasets.classes, datasets
        )

    def with_base_model(self, model: str | Path) -> Experiment:
        """Returns an experiment whose base step trains nothing, but has the model of a checkpoint from the start."""
        cfg = copy.deepcopy(self.cfg)
        strip_pretrained(cfg.model)
        cfg.load_from = str(model)
        return replace(self, cfg=cfg, plans=(replace(self.plans[0], iterations=0), *self.plans[1:]))

    def dataset(self, index: int, split: str) -> IncrementalDataset:
        """Returns the data set of one step, always the same object."""
        assert self.datasets is not None, 'only an experiment made from a config has data'
        return self.datasets.dataset(index, split)

    def num_test_images(self) -> tuple[int, ...]:
        """Returns how many images every step is tested on; zeros if the steps get their data from elsewhere."""
        steps = range(len(self.protocol))
        return tuple(0 if self.datasets is None else len(self.dataset(index, 'test')) for index in steps)

    def step_config(self, index: int, previous: StepState | None) -> Config:
        """Returns the plain config of one step."""
        return make_step_config(
            self.cfg, self.protocol[index], self.plans[index], previous, self.protocol.report_sizes(index), self.classes
        )

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int((self.cfg.get('randomness') or {}).get('seed') or 0)

    @property
    def label_policy(self) -> Any:
        """The label policy, as the config has it."""
        return self.cfg.protocol.get('label_policy', 'plop')

    @property
    def global_batch(self) -> int:
        """Images per iteration, over all processes."""
        return int(self.cfg.train_dataloader.get('batch_size') or 1) * get_world_size()

    def new_class_counts(self, index: int) -> dict[str, dict[str, Any]]:
        """Returns, for the classes that a step learns, the images that show them and their share of labelled pixels."""
        if self.datasets is None:
            return {}
        step, data = self.protocol[index], self.dataset(index, 'train')
        pixels, images = data.pixel_counts(), data.image_counts()
        first, total = step.num_seen - len(step.new), max(1, int(pixels.sum()))
        return {
            name: {'images': int(images[first + place]), 'share': float(pixels[first + place] / total)}
            for place, name in enumerate(step.new_names)
        }

    def context(self, index: int, previous: Mapping[str, Any] | None) -> StepContext:
        """Makes the context of one step.

        Args:
            index: The step.
            previous: Paths of what the previous step left, as in the step's config.
        """
        state = None if previous is None else StepState(**previous)
        data = None if self.datasets is None else self.dataset(index, 'train')
        return StepContext(self.protocol[index], state, self.plans[index], data=data)

    def identity(self) -> dict[str, Any]:
        """Returns what determines the results; two runs with equal identities are the same experiment."""
        cfg = self.cfg
        return {
            'protocol': self.protocol.to_dict(),
            'label_policy': _plain(self.label_policy),
            'method': _plain(cfg.get('method')),
            'steps': _plain(cfg.get('steps')),
            'model': _plain(cfg.model),
            'optim_wrapper': _plain(cfg.optim_wrapper),
            'param_scheduler': _plain(cfg.get('param_scheduler')),
            'train_pipeline': _plain(pipelines(cfg.train_dataloader.dataset)),
            'test_pipeline': _plain(pipelines(cfg.test_dataloader.dataset)),
            'load_from': cfg.get('load_from'),
            'seed': self.seed,
            'global_batch': self.global_batch,
            'images': list(self.num_images),
            'split_hash': self.split_hash,
            'iterations': [plan.iterations for plan in self.plans],
            # Folders of older versions do not have the keys below.
            **{f'{split}_data': found for split, found in self.data.items()},
            'sampler': _plain(cfg.train_dataloader.get('sampler')),
            'val_pipeline': _plain(pipelines(cfg.val_dataloader.dataset)) if cfg.get('val_dataloader') else None,
        }

    def base_identity(self) -> str:
        """Returns a checksum of what determines the base step; runs of different methods may share it."""
        # Slots that older versions lacked count only if filled, so that base steps of older runs stay usable.
        slots = {
            key: value
            for key, value in method_slots(self.cfg.get('method'), self.protocol[0]).items()
            if value is not None or key not in ('structure', 'shared')
        }
        if (slots.get('classifier') or {}).get('future_rows'):
            slots['num_future'] = self.protocol[0].num_future
        return self._base_checksum(slots)

    def base_training(self) -> str | None:
        """Returns a checksum of what determines the model that the base step trains, None if it trains more than that.

        Runs with an equal one differ in what they do with the model once it is trained.
        """
        slots = trained_slots(method_slots(self.cfg.get('method'), self.protocol[0]))
        return None if slots is None else self._base_checksum(slots)

    def lends_base_model(self) -> bool:
        """Whether the base step leaves the model as it was trained, so that others may take it."""
        return self.base_training() is not None and not solves(method_slots(self.cfg.get('method'), self.protocol[0]))

    def _base_checksum(self, slots: Mapping[str, Any]) -> str:
        identity = self.identity()
        steps = self.cfg.get('steps') or {}
        return value_checksum(
            {
                **{
                    key: identity[key]
                    for key in (
                        'model',
                        'optim_wrapper',
                        'param_scheduler',
                        'train_pipeline',
                        'load_from',
                        'seed',
                        'global_batch',
                    )
                },
                'new': list(self.protocol[0].new),
                'classes': list(self.protocol[0].names),
                'label_policy': identity['label_policy'],
                'setting': self.protocol.setting,
                'slots': _plain(slots),
                'base': _plain(steps.get('base')),
                'images': self.num_images[0],
                'iterations': self.plans[0].iterations,
            }
        )

    def details(self) -> dict[str, Any]:
        """Returns what a reader of the results wants to know in addition to the identity."""
        method, order = self.cfg.get('method') or {}, _plain(self.cfg.protocol.get('order'))
        if isinstance(order, list):
            order = [name for step in self.protocol for name in step.new_names]
        return {
            'protocol': self.protocol.name,
            'setting': self.protocol.setting,
            'held_out': self.protocol.held_out,
            'method': method.get('name', 'Fine-tuning'),
            'model': model_name(self.cfg.model),
            'dataset': dataset_name(innermost_dataset(self.cfg.train_dataloader.dataset)),
            'seed': self.seed,
            'order': order,
            'num_steps': len(self.protocol),
            'base_identity': self.base_identity(),
            'world_size': get_world_size(),
            'batch_size': int(self.cfg.train_dataloader.get('batch_size') or 1),
            'versions': versions(),
            'machine': machine(),
            'config': self.cfg.filename,
        }


def _note_unused_steps(steps: Mapping[str, Any], count: int) -> None:
    """Warns of groups in ``steps`` that no step reads.

    They are no error, since methods such as joint training have fewer steps.
    """
    for name in steps:
        if str(name).isdigit() and int(name) >= count:
            print_log(
                f'steps.{name}: the protocol has {count} step{"s" if count > 1 else ""}, 0 to {count - 1}; '
                f'this is not read',
                level=logging.WARNING,
            )


def _plain(value: Any) -> Any:
    """Converts configs to plain lists and dictionaries for JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def stored_images(slots: Mapping[str, Any], index: int) -> int:
    """Returns how many stored images an epoch of a step has in addition to the step's own.

    An epoch is longer if they are added to the step's data, but not if they replace images in each batch.
    """
    options = ReplayOptions.from_method(slots)
    return options.size if options is not None and options.mode == 'concat' and index > 0 else 0
