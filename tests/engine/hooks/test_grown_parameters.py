"""Importance of parameters and fusion of weights where more than rows grows: PointRend, Segmenter, queries."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models.decode_heads import point_head
from yapf.yapflib import yapf_api

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.models.step_context import StepState
from mmciss.utils.files import load_tensors
from tests.models.tiny_heads import point_sample_stub, tiny_segmentor
from tests.models.tiny_queries import query_segmentor
from tests.step_run import block_masks, run_step, step_run_config, write_pictures

HOOKS = [
    dict(type='FisherImportanceHook', weight=3.0),
    dict(type='PathImportanceHook', weight=3.0),
    dict(type='WalkImportanceHook', weight=3.0, stretch=1),
]
GROWN = {
    'PointHead': ('decode_head.1.fcs.0.conv.weight', 1),
    'SegmenterMaskTransformerHead': ('decode_head.cls_emb', 1),
    'TinyQueryHead': (None, 0),
}
"""A parameter that grows along a dimension, by head."""


class Look(Hook):
    """Keeps the hooks and the model at the moment when the step ends, before and after its weights are fused."""

    def before_train(self, runner: Runner) -> None:
        self.stiffness = {
            type(hook).__name__: dict(hook.stiffness) for hook in runner.hooks if hasattr(hook, 'stiffness')
        }

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        self.trained = {name: item.clone() for name, item in unwrap(runner.model).segmentor.state_dict().items()}

    def after_train(self, runner: Runner) -> None:
        self.fused = unwrap(runner.model).segmentor.state_dict()


@pytest.mark.parametrize('head', GROWN)
def test_a_step_is_held_and_fused(head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yapf_api, 'FormatCode', lambda text, **_: (text, True))
    if point_head.point_sample is None:
        monkeypatch.setattr(point_head, 'point_sample', point_sample_stub)
    data = write_pictures(tmp_path / 'data', block_masks(0, 12))
    cfg = step_run_config(data, tmp_path / 'run', 'finetuning')
    model = query_segmentor(3) if head == 'TinyQueryHead' else tiny_segmentor(head, 3)
    model.data_preprocessor = cfg.model.data_preprocessor
    cfg.model = model
    fusion = dict(type='WeightFusionHook', alpha=0.25)
    cfg.method = ConfigDict(name='all', hooks=[*HOOKS, fusion], base=dict(hooks=HOOKS))
    cfg.steps.base.iters = 3  # a move is weighed by the gradient after it
    base = _trained_base(cfg, tmp_path)
    look = Look()
    run_step(cfg, base, look)
    old = load_tensors(base.model)['state_dict']
    name, dim = GROWN[head]
    assert set(look.stiffness) == {hook['type'] for hook in HOOKS}
    for stiffness in look.stiffness.values():
        assert stiffness and all(stiffness[key].shape == look.trained[key].shape for key in stiffness)
    if name is None:
        assert {'decode_head.cls_embed.rest.weight', 'decode_head.cls_embed.steps.0.weight'} <= set(stiffness)
        assert not any('steps.1' in key for key in stiffness)
        row, last = 'decode_head.cls_embed.rest.weight', old['decode_head.cls_embed.weight'][-1:]
        torch.testing.assert_close(look.fused[row], 0.25 * last + 0.75 * look.trained[row])
        return
    length = old[name].shape[dim]
    new = slice(length, None)
    for stiffness in look.stiffness.values():
        assert stiffness[name].narrow(dim, 0, length).any() and not stiffness[name][:, new].any(), 'new parts are free'
    assert torch.equal(look.fused[name][:, new], look.trained[name][:, new]), 'and stay as they were trained'
    torch.testing.assert_close(look.fused[name][:, :length], 0.25 * old[name] + 0.75 * look.trained[name][:, :length])


def _trained_base(cfg: Config, folder: Path) -> StepState:
    cfg = cfg.copy()
    cfg.run_steps = [0]
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.pipeline = [
            dict(type=kind) for kind in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
        ]
    train(cfg)
    return StepState(str(folder / 'run/step_0/model.pth'), str(folder / 'run/step_0/state.pth'))
