"""What a finished step leaves: a plain checkpoint, its config, the method's state and what is known about it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmciss.engine.hooks.statistics_hook import StatisticsHook
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.engine.model_config import needs_mmciss, plain_imports, plain_model, without_mmciss
from mmciss.engine.runner.run_folder import RunFolder, checksums
from mmciss.errors import ConfigError
from mmciss.evaluation.diagnosis import loss_curve
from mmciss.models.classifiers.export import plain_model_cfg
from mmciss.models.slot import MethodHook, SlotLife
from mmciss.protocols.step import BACKGROUND
from mmciss.utils.checkpoints import load_own
from mmciss.utils.configs import config_pipeline
from mmciss.utils.files import file_checksum, save_tensors, write_text

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor

RECORD = 'extension'
"""Key of an exported config that says how the model was trained, for extending it. It is not called ``optim_wrapper``,
since MMSegmentation's ``tools/test.py`` would then require training data."""


def final_model(runner: Runner) -> Any:
    """Returns the trained wrapper with the weights that a checkpoint would have (an EMA's, if there is one)."""
    model = unwrap(runner.model)
    checkpoint = {'state_dict': model.state_dict()}
    runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
    load_own(model, checkpoint['state_dict'])
    return model


def method_hooks(runner: Runner) -> list[MethodHook]:
    """Returns the hooks that are slots of the method."""
    return [hook for hook in runner.hooks if isinstance(hook, MethodHook)]


def finish_step(runner: Runner) -> dict[str, Any]:
    """Calls ``end`` of every slot; called on every rank when training is over.

    Before that the model gets its final weights, and the passes after training run with it.

    Returns:
        The results of the passes after training, which are saved with the step.
    """
    model = final_model(runner)
    found: dict[str, Any] = {}
    for hook in runner.hooks:
        if isinstance(hook, StatisticsHook):
            found.update(hook.finish(runner))
    parts: list[SlotLife] = [*model.slots().values(), *method_hooks(runner)]
    for slot in parts:
        slot.end(model.context)
    return found


def plain_config(
    cfg: Config, num_classes: int, dataset_meta: dict[str, Any], trained: IncrementalSegmentor | None = None
) -> Config:
    """Returns the config with which plain MMSegmentation runs an exported model.

    Args:
        cfg: The user's config.
        num_classes: Channels of the exported model.
        dataset_meta: ``classes`` and ``palette`` by channel.
        trained: The trained wrapper, whose structure the exported model may have.
    """
    model = plain_model_cfg(plain_model(cfg.model, cfg.get('data_preprocessor')), num_classes)
    if trained is not None and trained.structure is not None:
        trained.structure.export_config(trained.segmentor, model)
    pipeline = config_pipeline(cfg, 'test')
    if pipeline is None:
        raise ConfigError('test_dataloader.dataset.pipeline is missing')
    pipeline = without_mmciss(pipeline)
    # A plain data set of the exported classes, whose masks have the channels as ids.
    dataset = ConfigDict(
        type='BaseSegDataset',
        metainfo=dict(dataset_meta),
        pipeline=pipeline,
        data_prefix=dict(img_path='', seg_map_path=''),
        lazy_init=True,
    )
    imports = plain_imports(cfg.get('custom_imports'), model, pipeline)
    return Config(
        dict(
            default_scope='mmseg',
            **({'custom_imports': imports} if imports else {}),
            model=model,
            test_pipeline=pipeline,
            **training_record(cfg),
            test_dataloader=dict(
                batch_size=1, num_workers=0, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=False)
            ),
            test_cfg=dict(type='TestLoop'),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            visualizer=dict(type='SegLocalVisualizer', name='visualizer'),
        )
    )


def training_record(cfg: Config) -> dict[str, Any]:
    """Returns augmentation, optimizer, batch size and length of a config's first training, as far as it has them."""
    found: dict[str, Any] = {}
    loader: Any = cfg.get('train_dataloader') or {}
    if (loader.get('dataset') or {}).get('pipeline'):
        found['train_pipeline'] = copy.deepcopy(loader.dataset.pipeline)
    if cfg.get('optim_wrapper'):
        wrapper = copy.deepcopy(cfg.optim_wrapper)
        base = (cfg.get('steps') or {}).get('base') or {}
        if base.get('lr'):
            wrapper.optimizer.lr = base['lr']
        length = (
            base.get('iters') if 'iters' in base or 'epochs' in base else (cfg.get('train_cfg') or {}).get('max_iters')
        )
        found[RECORD] = dict(
            optim_wrapper=wrapper, batch_size=loader.get('batch_size'), **({'max_iters': int(length)} if length else {})
        )
    return found


def export_step(runner: Runner, cfg: Config, folder: Path, found: Mapping[str, Any] | None = None) -> None:
    """Writes ``model.pth``, ``model_config.py`` and ``state.pth`` of a finished step.

    The state consists of that of the model's slots and the method's hooks, and the results of passes after training.

    Args:
        runner: The runner that trained the step.
        cfg: The user's config.
        folder: The step's folder.
        found: What :func:`finish_step` returned.
    """
    model = unwrap(runner.model)
    meta = runner.train_dataloader.dataset.metainfo
    dataset_meta = {'classes': list(meta['classes']), 'palette': [list(map(int, color)) for color in meta['palette']]}
    weights = model.plain_weights()
    save_tensors(folder / 'model.pth', {'state_dict': weights, 'meta': {'dataset_meta': dataset_meta}})
    state = model.method_state()
    state['hooks'] = {type(hook).__name__: hook.state() for hook in method_hooks(runner)}
    if found:
        state['statistics'] = dict(found)
    save_tensors(folder / 'state.pth', state)
    config = plain_config(cfg, model.step.num_seen, dataset_meta, model)
    text = config.pretty_text
    if needs_mmciss(config):
        text = f'# Plain MMSegmentation does not have all layers of this model: loading it needs mmciss.\n{text}'
        print_log(
            f'{folder / "model_config.py"} imports mmciss, since plain MMSegmentation does not have all layers '
            f'of this model.',
            logger='current',
        )
    write_text(folder / 'model_config.py', text)


def step_result(runner: Runner, experiment: Experiment, run: RunFolder, index: int, seconds: float) -> dict[str, Any]:
    """Returns what ``result.json`` of a trained step says in addition to the results of its test."""
    step = experiment.protocol[index]
    folder = run.step(index)
    background = [0] if step.background else []
    return {
        'step': index,
        'sizes': list(experiment.protocol.report_sizes(index)),
        'classes': list(step.names),
        'class_numbers': background + list(step.seen),
        'background': step.background,
        'data_background': experiment.classes[0] == BACKGROUND,
        'train_images': experiment.num_images[index],
        'iterations': experiment.plans[index].iterations,
        'seconds': round(seconds, 3),
        'batch_size': experiment.global_batch,
        'loss_curve': loss_curve(step_losses(runner)),
        'new_classes': experiment.new_class_counts(index),
        'label_policy': experiment.label_policy,
        'base_identity': experiment.base_identity() if index == 0 else None,
        'base_training': experiment.base_training() if not index and experiment.lends_base_model() else None,
        'base_data': experiment.data['train'][0] if index == 0 else None,
        'decision': decision_of(unwrap(runner.model)),
        'model': 'model.pth',
        'sha256': file_checksum(folder / 'model.pth'),
        'files': checksums(folder),
        'previous': run.files(index - 1) if index else None,
    }


def step_losses(runner: Runner) -> list[float]:
    """Returns the training loss of every iteration of a step; of a resumed step, too."""
    buffer = runner.message_hub.log_scalars.get('train/loss')
    return [] if buffer is None else [float(value) for value in buffer.data[0]]


def decision_of(model: Any) -> dict[str, Any]:
    """Returns the decision behind the results, and whether argmax on the exported model decides the same."""
    if model.decision is None:
        return {'type': 'ArgmaxDecision', 'plain': True}
    return {'type': type(model.decision).__name__, 'plain': bool(model.decision.plain)}
