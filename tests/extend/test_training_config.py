"""The config of training, and of the step in which the new classes are learned."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import ConfigDict

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.extend.data import ExtensionData
from mmciss.extend.extension import ExtensionExperiment
from mmciss.extend.old_model import read_old_model
from mmciss.extend.training_config import check_read, check_solved_reads, training_model
from mmciss.models.step_context import StepState
from tests.extend.samples import write_images, write_model


def test_from_model_to_step(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path / 'new', count=10, ids=(0, 1))
    experiment = ExtensionExperiment.resolve(
        read_old_model(*write_model(tmp_path)),
        ['fork'],
        ExtensionData(images=images, masks=masks),
        tmp_path / 'out',
        dict(iters=12, crop_size=16),
        seed=3,
        cfg_options={'method.freeze.norm': 'train'},
    )
    assert experiment.cfg.method['freeze'] == dict(norm='train', dropout='eval')
    assert experiment.num_images == (0, 8) and len(experiment.protocol) == 2
    out = experiment.step_config(1, StepState('model.pth'))
    assert out.model.segmentor.decode_head.num_classes == out.model.segmentor.auxiliary_head.num_classes == 4
    assert out.model.previous.model == 'model.pth' and out.model.data_preprocessor['size'] == (16, 16)
    dataset = out.train_dataloader.dataset
    assert dataset.type == 'PairDataset' and dataset.manifest == str(tmp_path / 'out' / 'data' / 'train.json')
    assert dataset.step_index == 1 and len(dataset.palette) == 4
    assert [item['type'] for item in dataset.pipeline] == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomCrop',
        'RandomFlip',
        'PackSegInputs',
    ]
    assert 'reduce_zero_label' not in dataset.pipeline[1] and dataset.pipeline[2]['crop_size'] == (16, 16)
    assert out.train_dataloader.sampler.type == 'IncrementalInfiniteSampler' and out.train_dataloader.sampler.seed == 3
    assert out.optim_wrapper.optimizer.lr == experiment.settings['lr'].value and out.train_cfg.max_iters == 12
    assert out.param_scheduler[0]['end'] == 12
    assert 'TeacherHook' in {hook['type'] for hook in out.custom_hooks}
    assert not (tmp_path / 'out').exists(), 'nothing is written before the run'


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('steps.later.iters', "does not read 'steps'; use --iters and --lr"),
        ('val_evaluator', "does not read 'val_evaluator'"),
        ('model.decode_head.num_classes', 'counts the classes itself; use --classes'),
        ('model.num_classes', 'counts the classes itself; use --classes'),
        ('method.memory.size', 'keeps no images; use --exemplar-images and --exemplar-masks'),
    ],
)
def test_keys_that_an_extension_does_not_read_are_refused(key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_read({key: 1})


@pytest.mark.parametrize('key', ['optim_wrapper.optimizer.lr', 'train_cfg.max_iters', 'param_scheduler'])
def test_a_method_that_solves_reads_no_schedule(key: str) -> None:
    with pytest.raises(ConfigError, match=f'{key}: not read; .* trains nothing'):
        check_solved_reads({key: 1}, whole_images=False)


@pytest.mark.parametrize('key', ['train_dataloader.batch_size', 'train_dataloader.dataset.pipeline'])
def test_one_that_sees_images_whole_reads_no_batch_and_no_crop(key: str) -> None:
    check_solved_reads({key: 1, 'train_dataloader.num_workers': 2}, whole_images=False)
    check_solved_reads({'train_dataloader.num_workers': 2}, whole_images=True)
    with pytest.raises(ConfigError, match=f'{key}: not read; .* sees images whole'):
        check_solved_reads({key: 1}, whole_images=True)


def test_lists_of_class_weights_are_dropped() -> None:
    losses = [dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0]), dict(type='DiceLoss')]
    model = ConfigDict(type='EncoderDecoder', decode_head=dict(type='FCNHead', loss_decode=losses))
    assert training_model(model, (8, 8)).decode_head.loss_decode == [dict(type='CrossEntropyLoss'), losses[1]]
