"""A whole run of MBS on Segmenter with a tiny transformer, on the shapes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

import mmciss.register_all
from mmciss.apis.train import train
from tests.paths import ROOT
from tests.smoke import smoke_config
from tests.test_methods import logged_losses


def config(folder: Path, **options: Any) -> Config:
    """Returns the smoke config with the slots of MBS's recipe, and its network with few channels."""
    cfg = smoke_config(folder, 'mbs', **options)
    recipe = Config.fromfile(ROOT / 'configs/recipes/mbs_voc_15-1.py')
    cfg.method.losses = recipe.method.losses
    preprocessor = cfg.model.data_preprocessor
    cfg.model = recipe.model
    narrow = dict(embed_dims=16, num_layers=2, num_heads=2)
    cfg.model.data_preprocessor = preprocessor
    cfg.model.backbone.update(narrow, img_size=(48, 48), patch_size=8, init_cfg=None)
    cfg.model.decode_head.update(narrow, in_channels=16, channels=16)
    return cfg


def test_two_steps(tmp_path: Path) -> None:
    results = train(config(tmp_path))
    assert [result['sizes'] for result in results] == [[16], [16, 5]]
    assert all(map(math.isfinite, logged_losses(tmp_path)))
    lines = [line for path in tmp_path.glob('step_1/*/vis_data/scalars.json') for line in path.read_text().splitlines()]
    logged = json.loads(lines[0])
    assert all(logged[f'loss_{name}'] > 0 for name in ('fd', 'od', 'orth', 'tokens')), logged
    weights = torch.load(tmp_path / 'step_1' / 'model.pth', weights_only=True)['state_dict']
    assert weights['decode_head.cls_emb'].shape == (1, 21, 16) and weights['decode_head.mask_norm.weight'].shape == (
        21,
    )
