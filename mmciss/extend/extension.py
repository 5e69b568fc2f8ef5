"""An extension, resolved: a protocol of two steps whose first is the user's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmciss.engine.checks.values import LARGEST_SEED, is_integer
from mmciss.engine.model_config import drop_class_weights, plain_imports
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.export import plain_config
from mmciss.engine.runner.launch import check_work_dir, prepare_config
from mmciss.engine.runner.run_folder import REPORT, RunFolder
from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import solves
from mmciss.errors import ConfigError, flag
from mmciss.extend.data import ExtensionData, ReadData
from mmciss.extend.old_model import OldModel
from mmciss.extend.pipelines import whole_image_pipeline
from mmciss.extend.settings import Setting, derive, extension_method, mixes
from mmciss.extend.training_config import check_solved_reads, training_config
from mmciss.models.step_context import StepState
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.step import MAX_CHANNELS, Step
from mmciss.registry import STRUCTURES, class_of
from mmciss.utils.files import file_checksum, value_checksum
from mmciss.utils.palettes import extend_palette

LEARNING = ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg')
"""Keys of the training config that determine the result, in addition to the method."""

WRITTEN = ('model.pth', 'model_config.py', 'state.pth', 'extension.json', 'data/test', 'data/train.json', *REPORT)
"""What an extension writes into its folder, beside the steps."""


@dataclass(frozen=True)
class ExtensionExperiment(Experiment):
    """Everything that is known about an extension before training.

    Attributes:
        old: The model.
        read: The data.
        settings: The settings, with reasons.
        palette: Colours of all classes.
        decides: What determines the result; two extensions with equal values are the same.
        mixed: Whether exemplars are half of every batch; else they are drawn as often as any new image.
    """

    old: OldModel
    read: ReadData
    settings: dict[str, Setting]
    palette: list[list[int]]
    decides: dict[str, Any]
    mixed: bool = False

    @classmethod
    def resolve(
        cls,
        old: OldModel,
        classes: Sequence[str],
        data: ExtensionData,
        work_dir: str | Path,
        given: Mapping[str, Any] | None = None,
        seed: int = 0,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> ExtensionExperiment:
        """Reads and checks everything, and derives the settings that the user has not given.

        Raises:
            ConfigError: If anything does not fit.
        """
        check_work_dir(work_dir, '--work-dir')
        if not is_integer(seed, 0, LARGEST_SEED):
            raise ConfigError(f'--seed: {seed!r}; allowed are whole numbers from 0 to {LARGEST_SEED}')
        names = check_new_names(classes, old.names)
        data.check_apart_from(work_dir)
        RunFolder(work_dir).check_free(WRITTEN, '--work-dir')
        protocol = extension_protocol(old.names, names, old.background)
        step = protocol[1]
        read = data.read(step, seed, old.readers, Path(work_dir) / 'data')
        settings = derive(old, read.num_train, read.sizes, given, read.fewest_exemplars)
        name = str(settings['method'].value)
        method = extension_method(name, old.background, read.fewest_exemplars > 0, old.structure)
        method.pop('memory', None)  # the exemplars are the memory
        mixed = mixes(name, read.fewest_exemplars)
        cfg = training_config(old, step, method, settings, str(work_dir), seed, cfg_options, read.sizes)
        if mixed:
            check_mixable(cfg, name)
        iterations, checksum = int(cfg.train_cfg.max_iters), read.checksum()
        settings['iters'] = Setting(iterations, settings['iters'].reason)
        if solves(method):
            iterations, whole = 0, sees_whole_images(cfg.method)
            check_solved_reads(cfg_options or {}, whole)
            crops = ('batch_size', 'crop_size') if whole else ()
            for key in crops:
                settings.pop(key)
            unread = [flag(key) for key in ('iters', 'lr', *crops) if key in (given or {})]
            reason = 'the method solves for the rows of new classes in one pass over the images'
            settings['iters'] = Setting(0, f'{reason}; {" and ".join(unread)}: not read' if unread else reason)
        decides = {
            'checkpoint': file_checksum(old.checkpoint),
            'classes': list(step.names),
            'background': old.background,
            'settings': value_checksum({key: setting.value for key, setting in settings.items()}),
            'seed': seed,
            'method': value_checksum(cfg.method.to_dict()),
            'config': value_checksum({key: cfg.to_dict().get(key) for key in LEARNING}),
            'data': checksum,
        }
        if mixed:
            decides['exemplars'] = 'half of every batch'
        if old.structure is not None:
            decides['state'] = file_checksum(Path(old.checkpoint).with_name('state.pth'))
        _take_over(settings, cfg, cfg_options or {})
        if not iterations:  # nothing is trained
            for key in ('lr', 'new_rows_lr', 'optimizer'):
                settings.pop(key, None)
        return cls(
            cfg=prepare_config(cfg),
            protocol=protocol,
            num_images=(0, read.num_train),
            split_hash=checksum,
            plans=(StepPlan(0), StepPlan(iterations, global_batch=int(cfg.train_dataloader.batch_size))),
            data={'train': [None, checksum]},
            classes=step.names,
            datasets=None,
            old=old,
            read=read,
            settings=settings,
            palette=extend_palette(old.palette, old.num_classes, len(names), old.background),
            decides=decides,
            mixed=mixed,
        )

    def manifest(self, name: str = 'train') -> Path:
        """Returns the path of the list of training images, or of those of a test set."""
        return Path(self.cfg.work_dir) / 'data' / f'{name}.json'

    def pairs(self, name: str = 'train', **options: Any) -> dict[str, Any]:
        """Returns the config of the data set of a list."""
        own = dict(type='PairDataset', classes=list(self.classes), palette=self.palette)
        return {**own, 'manifest': str(self.manifest(name)), **options}

    def plain_config(self, index: int) -> Config:
        """Returns the config with which plain MMSegmentation runs the old model (0) or the extended one (1)."""
        names = self.protocol[index].names
        meta = {'classes': list(names), 'palette': self.palette[: len(names)]}
        out = plain_config(self.old.plain_source, len(names), meta)
        learned = Path(self.cfg.work_dir) / f'step_{index}' / 'model_config.py'
        if index and learned.is_file():  # its model may have layers of the method
            out.model = Config.fromfile(learned).model
        elif not index and self.old.exported is not None:
            out.model = self.old.exported
        imports = self.old.cfg.get('custom_imports') or {}
        own = [name for name in imports.get('imports') or [] if 'mmciss' not in name]
        ours = (plain_imports(None, out.model, out.test_pipeline) or {}).get('imports', [])
        out.pop('custom_imports', None)
        if own or ours:
            out.custom_imports = dict(imports, imports=[*own, *ours])
        return out

    def step_config(self, index: int, previous: StepState | None) -> Config:
        """Returns the plain config of one step, with the listed images instead of a protocol's."""
        out = super().step_config(index, previous)
        own = self.cfg.train_dataloader.dataset.to_dict()
        out.train_dataloader.dataset = {**own, **self.pairs(step_index=index)}
        if self.whole_images:
            out.train_dataloader.dataset.pipeline = whole_image_pipeline(
                self.old.test_pipeline, self.old.model.get('test_cfg')
            )
            out.train_dataloader.batch_size = 1  # images may differ in size
        elif index and self.mixed:
            assert self.read.exemplars is not None
            out.train_dataloader.dataset.num_exemplars = len(self.read.exemplars.data.pairs)
            out.train_dataloader.sampler.type = 'ReplaySampler'
        return out

    @property
    def whole_images(self) -> bool:
        """Whether the new images are seen whole, as the model sees test images: no crop is needed to train."""
        return not self.plans[1].iterations and sees_whole_images(self.cfg.method)

    def identity(self) -> dict[str, Any]:
        """Returns what determines the result."""
        return self.decides

    def base_identity(self) -> str:
        """Returns the checksum of the model that is extended."""
        return str(self.decides['checkpoint'])

    def details(self) -> dict[str, Any]:
        """Returns further facts for readers of the report."""
        return {
            **super().details(),
            'config': self.old.config,
            'dataset': self.read.new.data.path,
            'title': f'Extended by {", ".join(self.classes[self.old.num_classes :])}',
            'classes': list(self.classes),
        }

    def lines(self) -> list[str]:
        """Describes what will be done, and why."""
        old = self.old
        new = ', '.join(f'{name} (id {index})' for index, name in enumerate(self.classes) if index >= old.num_classes)
        return [
            (
                f'{old.config}: {old.num_classes} classes, named by {old.named_by}, '
                f'{"with" if old.background else "without"} a background class. New: {new}.'
            ),
            *self.read.lines(),
            *(f'{key}: {setting}' for key, setting in self.settings.items()),
            *self.notes(),
        ]

    def notes(self) -> list[str]:
        """Describes what differs from the model's own training, and how to undo it."""
        notes = []
        if drop_class_weights(self.old.model):
            notes.append('Class weights in the loss were dropped: the list has no weights for new classes.')
        freeze = self.cfg.method.get('freeze') or {}
        if freeze.get('norm', 'train') != 'train':
            notes.append(
                'Batch norms keep the statistics of the old data, of which there is more '
                '(--cfg-options method.freeze.norm=train).'
            )
        if freeze.get('dropout') == 'eval':
            notes.append(
                'Dropout is off, so the model stays comparable with its teacher '
                '(--cfg-options method.freeze.dropout=train).'
            )
        return notes

    def facts(self) -> dict[str, Any]:
        """Returns those parts of the report that do not come from predictions."""
        return {
            'model_config': self.old.config,
            'checkpoint': self.old.checkpoint,
            'settings': {key: vars(item) for key, item in self.settings.items()},
            'data': self.read.lines(),
            'notes': self.notes(),
            'method': self.cfg.method.get('name'),
        }


def sees_whole_images(method: Mapping[str, Any]) -> bool:
    """Whether a method solves for the rows of all classes at once, from images as they are."""
    return bool(getattr(class_of(STRUCTURES, method.get('structure')), 'solved', False))


def _take_over(settings: dict[str, Setting], cfg: Config, options: Mapping[str, Any]) -> None:
    """Replaces settings by what ``--cfg-options`` made of them, in place."""
    if not options:
        return
    wrapper = cfg.optim_wrapper.to_dict()
    now: dict[str, Any] = {
        'lr': wrapper['optimizer']['lr'],
        'batch_size': int(cfg.train_dataloader.batch_size),
        'optimizer': wrapper,
    }
    if 'new_rows_lr' in settings:
        now['new_rows_lr'] = now['lr'] * settings['new_rows_lr'].value / settings['lr'].value
    for key, value in now.items():
        if key in settings and value is not None and settings[key].value != value:
            settings[key] = Setting(value, f'by --cfg-options; without, {settings[key]}')
    if 'train_cfg.max_iters' in options:
        settings['iters'] = Setting(settings['iters'].value, 'by --cfg-options')


def check_mixable(cfg: Config, method: str) -> None:
    """Rejects a batch without room for an old image, and a sampler that cannot draw any."""
    loader, half = cfg.train_dataloader, f'--method {method}: half of every batch are old images'
    if int(loader.batch_size) < 2:
        raise ConfigError(f'{half}, so --batch-size must be 2 or more, found {loader.batch_size}')
    kind = (loader.get('sampler') or {}).get('type', 'InfiniteSampler')
    if kind != 'InfiniteSampler':
        raise ConfigError(f"{half}; train_dataloader.sampler.type: allowed is 'InfiniteSampler', found {kind!r}")


def check_new_names(new: Sequence[str], old: Sequence[str]) -> tuple[str, ...]:
    """Rejects names of new classes that are empty, repeated or taken.

    Examples:
        >>> check_new_names(['forklift', 'pallet'], ['background', 'person'])
        ('forklift', 'pallet')
    """
    names = tuple(str(name).strip() for name in new)
    if not names or not all(names):
        raise ConfigError(f'--classes: {list(new)}; give the name of at least one new class')
    # Names that differ only in case, 'Person' and 'person', are a slip.
    taken = {name.lower(): (index, name) for index, name in enumerate(old)}
    lowered = [name.lower() for name in names]
    for name in names:
        if not name.isprintable():
            raise ConfigError(f'--classes: {name!r} holds characters that cannot be printed')
        if name.lower() in taken:
            index, known = taken[name.lower()]
            raise ConfigError(
                f'--classes: the model has a class {known!r} already (id {index}). Choose names other than '
                f'{", ".join(old)}'
            )
    if repeated := sorted({name for name in lowered if lowered.count(name) > 1}):
        raise ConfigError(f'--classes: listed more than once: {", ".join(repeated)}')
    if len(old) + len(names) > MAX_CHANNELS - 1:
        raise ConfigError(
            f'--classes: {len(old)} classes and {len(names)} new ones are too many; masks can hold {MAX_CHANNELS - 1}'
        )
    return names


def extension_protocol(old: Sequence[str], new: Sequence[str], background: bool) -> Protocol:
    """Returns the protocol of an extension: the classes of the model, followed by the new ones; old ids stay.

    Examples:
        >>> step = extension_protocol(['background', 'cat'], ['dog'], background=True)[1]
        >>> step.sizes, step.names, step.new
        ((2, 1), ('background', 'cat', 'dog'), (2,))
    """
    known = tuple(range(1, len(old) - background + 1))
    added = tuple(range(len(known) + 1, len(known) + len(new) + 1))
    names = (*old, *new)
    steps = (
        Step(0, known, (), (len(old),), tuple(old), background, upcoming=(len(new),)),
        Step(1, added, known, (len(old), len(new)), names, background),
    )
    return Protocol(f'{len(known)}-{len(new)}', 'explicit', names[background:], background, steps)
