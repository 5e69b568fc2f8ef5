"""Looking into configs."""

from __future__ import annotations

from mmengine.config import Config

from mmciss.utils.configs import config_pipeline, dataset_configs, merge_changes

PACK = dict(type='PackSegInputs')


def test_data_sets_that_a_config_has() -> None:
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='A')), val_dataloader=None, train_dataloader=dict()))
    assert dataset_configs(cfg) == dict(test=dict(type='A'))


def test_pipelines_are_found_inside_wrappers() -> None:
    cfg = Config(
        dict(
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[dict(pipeline=[PACK])]))
            ),
            test_pipeline=[PACK, PACK],
        )
    )
    assert config_pipeline(cfg, 'train') == [PACK]
    assert len(config_pipeline(cfg, 'test')) == 2
    assert config_pipeline(Config({}), 'train') is None


def test_changes_are_merged_deep_and_into_what_is_none() -> None:
    cfg = Config(dict(optim_wrapper=dict(clip_grad=None, optimizer=dict(lr=1, momentum=2)), steps=None))
    merge_changes(cfg, None)
    changes = dict(optim_wrapper=dict(clip_grad=dict(max_norm=3), optimizer=dict(lr=4)))
    merge_changes(cfg, changes)
    assert cfg.optim_wrapper == dict(clip_grad=dict(max_norm=3), optimizer=dict(lr=4, momentum=2))
    assert cfg.steps is None and changes['optim_wrapper']['optimizer'] == dict(lr=4)
