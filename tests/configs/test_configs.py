"""Every config loads, its protocol exists, each step has a config, and its model builds."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, HOOKS, LOOPS, MODELS, TRANSFORMS

from mmciss.engine.runner.schedule import StepPlan, step_options
from mmciss.engine.runner.step_config import make_step_config, method_slots
from mmciss.models.classifiers.query_heads import classifies_queries
from mmciss.models.step_context import StepState
from mmciss.protocols.step import Step
from tests.configs.user_configs import CONFIGS, innermost, load, name_of, protocol_of, strings_in

RUNNER_KEYS = {
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_evaluator',
    'test_evaluator',
    'default_hooks',
    'data_preprocessor',
    'load_from',
    'resume',
    'env_cfg',
    'log_processor',
    'log_level',
    'visualizer',
    'default_scope',
    'randomness',
    'runner_type',
    'custom_imports',
    'channels_last',
    'accuracy_interval',
}
OUR_KEYS = {'protocol', 'method', 'steps'}
VARIABLES = {
    'norm_cfg',
    'backbone_norm_cfg',
    'dataset_type',
    'data_root',
    'data_prefix',
    'crop_size',
    'drawing',
    'train_pipeline',
    'test_pipeline',
    'folders',
    'optimizer',
    'vis_backends',
    'num_classes',
    'attention',
    'embed_multi',
}
STEPS = {
    'voc_19-1': 2,
    'voc_15-5': 2,
    'voc_15-1': 6,
    'voc_10-1': 11,
    'voc_10-5': 3,
    'voc_10-10': 2,
    'voc_5-3': 6,
    'voc_5-1': 16,
    'voc_5-5': 4,
    'voc_2-1': 19,
    'voc_2-2': 10,
    'voc_offline': 1,
    'ade_100-50': 2,
    'ade_100-10': 6,
    'ade_100-5': 11,
    'ade_50-50': 3,
    'ade_50-20': 6,
    'ade_offline': 1,
    'cityscapes_14-1': 6,
    'cityscapes_14-5': 2,
    'cityscapes_10-1': 10,
    'cityscapes_18-1': 2,
    'cityscapes_offline': 1,
    'cityscapes-domain_11-5': 3,
    'cityscapes-domain_11-1': 11,
    'cityscapes-domain_1-1': 21,
    'shapes_15-1': 6,
    'shapes_15-5': 2,
    'shapes_10-5': 3,
    'shapes_10-1': 11,
    'shapes_smoke': 2,
    'voc20_19-1': 2,
    'voc20_15-5': 2,
    'voc20_15-1': 6,
    'voc20_10-1': 11,
    'voc6_3-1': 4,
    'voc6_2-2': 3,
    'voc6_4-2': 2,
    'voc6_5-1': 2,
}

every_config = pytest.mark.parametrize('path', CONFIGS, ids=name_of)
built: set[str] = set()


@pytest.fixture(autouse=True)
def scope() -> None:
    """Types in configs are looked up in MMSegmentation's registries."""
    init_default_scope('mmseg')


def first_two_steps(path: Path) -> list[tuple[Step, Config]]:
    """Returns the base step and the one after it, if there is one, with their configs."""
    cfg = load(path)
    plan = StepPlan(10, 0.1)
    return [
        (step, make_step_config(cfg, step, plan, StepState('m.pth') if step.index else None))
        for step in list(protocol_of(cfg))[:2]
    ]


def test_all_protocols_of_the_papers_are_there() -> None:
    names = {path.stem.removeprefix('deeplabv3_r101_') for path in CONFIGS}
    assert {key for key in STEPS if key.startswith(('voc_', 'ade_', 'cityscapes'))} <= names
    assert {f'voc_{name}-disjoint' for name in ('19-1', '15-5', '15-1', '10-1')} <= names


@every_config
def test_keys_are_known_and_nothing_is_bound_to_one_machine(path: Path) -> None:
    cfg = load(path)
    assert set(cfg) <= RUNNER_KEYS | OUR_KEYS | VARIABLES
    assert OUR_KEYS <= set(cfg)
    assert cfg.runner_type == 'IncrementalRunner' and cfg.default_scope == 'mmseg'
    assert not [text for text in strings_in(cfg.to_dict()) if text.startswith(('/', '~'))]


@every_config
def test_the_protocol_has_the_steps_of_its_name(path: Path) -> None:
    protocol = protocol_of(load(path))
    key = max((key for key in STEPS if key in path.stem), key=len)
    assert len(protocol) == STEPS[key]
    settings = [name for name in ('disjoint', 'partitioned', 'domain') if name in path.stem]
    assert protocol.setting == (settings[0] if settings else 'overlapped')


@every_config
def test_every_step_has_a_schedule_and_known_slots(path: Path) -> None:
    cfg = load(path)
    for step in protocol_of(cfg):
        options = step_options(cfg.steps, step.index)
        assert options['lr'] > 0 and len({'epochs', 'iters'} & set(options)) == 1
        method_slots(cfg.method, step)


@every_config
def test_step_configs_are_plain_and_do_not_change_the_users(path: Path) -> None:
    before = json.dumps(load(path).to_dict(), default=str)
    for step, cfg in first_two_steps(path):
        assert not OUR_KEYS & set(cfg)
        assert cfg.model.segmentor.decode_head.num_classes == step.num_seen
        assert cfg.train_cfg.max_iters == 10
        assert cfg.param_scheduler[-1].end == 10, 'the schedule must end with the step'
        assert 'Pretrained' not in strings_in(cfg.model.to_dict()) or step.is_base
    assert json.dumps(load(path).to_dict(), default=str) == before


@every_config
def test_data_hooks_and_loops_are_registered(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = load(path)
    (tmp_path / 'data/VOCdevkit/VOC2012/saliency').mkdir(parents=True)  # LoadSaliency looks for it
    monkeypatch.chdir(tmp_path)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        dataset = innermost(loader.dataset)
        assert DATASETS.get(dataset.type) is not None
        names = [TRANSFORMS.build(transform).__class__.__name__ for transform in dataset.pipeline]
        assert names.index('LoadAnnotations') == 1, 'labels are mapped before any crop'
        assert names[-1] in ('PackSegInputs', 'PackSaliencyInputs')
    assert cfg.test_dataloader == cfg.val_dataloader
    assert all(HOOKS.get(hook.type) is not None for hook in cfg.default_hooks.values())
    assert all(LOOPS.get(cfg[key].type) is not None for key in ('train_cfg', 'val_cfg', 'test_cfg'))
    assert all(
        loader.persistent_workers == (loader.num_workers > 0) for loader in (cfg.train_dataloader, cfg.val_dataloader)
    )


@every_config
def test_models_build(path: Path) -> None:
    for step, cfg in first_two_steps(path):
        queries = classifies_queries(MODELS.get(cfg.model.segmentor.decode_head.type))
        if queries and find_spec('mmdet') is None:
            pytest.skip('MMDetection is not here')
        model = cfg.model.to_dict()
        model['segmentor']['decode_head'].pop('num_classes')
        parts = [model['segmentor'], model['losses'], len(step.sizes)]
        key = json.dumps(parts, sort_keys=True, default=str)
        if key in built:  # Protocols share models, which differ in their number of classes.
            continue
        built.add(key)
        # Backbones with stochastic depth compute its rates with tensors, on a real device.
        stochastic = 'drop_path_rate' in cfg.model.segmentor.backbone
        with torch.device('cpu' if stochastic else 'meta'):
            network = MODELS.build(cfg.model)
        head = network.segmentor.decode_head
        assert head.num_classes == head.out_channels == step.num_seen
        if hasattr(head, 'cls_emb'):  # Segmenter's class tokens
            channels = head.cls_emb.shape[1]
        else:
            channels = (head.cls_embed if queries else head.conv_seg).out_channels
        assert network.segmentor.num_classes == channels == step.num_seen
        assert getattr(head, 'dropout', None) is None, 'distillation must compare clean features'


def test_deeplab_has_output_stride_sixteen() -> None:
    cfg = load(next(path for path in CONFIGS if path.stem == 'deeplabv3_r101_voc_15-1'))
    small = {**cfg.model.backbone, 'depth': 50, 'norm_cfg': dict(type='BN'), 'init_cfg': None}
    backbone = MODELS.build(small)
    backbone.eval()
    with torch.no_grad():
        last = backbone(torch.zeros(1, 3, 64, 64))[-1]
    assert last.shape == (1, 2048, 4, 4)
    assert [block.conv2.dilation for block in backbone.layer4] == [(2, 2)] * 3
