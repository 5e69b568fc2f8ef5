"""A linear layer on a frozen DINOv2: real sizes, real loading, and runs with a tiny transformer in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.apis.extend import extend
from mmciss.apis.train import train
from mmciss.engine.checks.components import check_pretrained
from mmciss.errors import ConfigError
from mmciss.models.teacher import SharedTrunkTeacher
from tests.extend.samples import write_images
from tests.paths import ROOT
from tests.smoke import smoke_config

pytestmark = pytest.mark.usefixtures('no_figures')

TINY = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def real_model(size: str = 's14') -> Any:
    init_default_scope('mmseg')
    return Config.fromfile(ROOT / f'configs/_base_/models/fcn_dinov2-{size}.py').model


def tiny_model() -> Any:
    """Returns the model of the config with a narrow transformer of two layers and random weights."""
    model = real_model()
    model.backbone.update(arch=TINY, img_size=42, frozen_stages=2, init_cfg=None)
    model.decode_head.update(in_channels=16, channels=16)
    return model


def tiny_config(folder: Path, method: str, **options: Any) -> Config:
    cfg = smoke_config(folder, method, **options)  # crops of 48 pixels, which are padded to four patches
    cfg.model = tiny_model()
    return cfg


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return torch.load(folder / f'step_{step}/model.pth', weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of MiB, two steps."""
    folder = tmp_path_factory.mktemp('dinov2') / 'mib'
    train(tiny_config(folder, 'mib', steps__base__iters=2, steps__later__iters=2))
    return folder


def test_small_has_maps_of_patches_at_any_size() -> None:
    config = real_model().backbone
    config.init_cfg = None
    backbone = MODELS.build(config)
    assert backbone.pos_embed.shape == (1, 37 * 37 + 1, 384)
    with torch.no_grad():
        (found,) = backbone(torch.zeros(1, 3, 56, 42))
    assert found.shape == (1, 384, 4, 3)


def test_frozen_parts_get_no_gradient_and_do_in_training_what_they_do_in_tests() -> None:
    model = MODELS.build(tiny_model())
    model.init_weights()
    inputs = torch.randn(1, 3, 56, 56)
    (features,) = model.train().extract_feat(inputs)
    assert not features.requires_grad, 'no graph is built, so no map of the backbone is kept'
    assert [name for name, item in model.named_parameters() if item.requires_grad] == [
        'decode_head.conv_seg.weight',
        'decode_head.conv_seg.bias',
    ]
    assert torch.equal(features, model.eval().extract_feat(inputs)[0])
    config = tiny_model()
    config.backbone.frozen_stages = -1
    assert MODELS.build(config).extract_feat(inputs)[0].requires_grad


@pytest.mark.parametrize('size', ['s14', 'b14'])
def test_weights_that_cannot_be_downloaded(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **kwargs: Any) -> None:
        raise URLError('no network')

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', offline)
    with pytest.raises(ConfigError, match=r'model.backbone.init_cfg.checkpoint: https://.*dinov2-pre.*no network'):
        check_pretrained(real_model(size))


def test_a_checkpoint_in_the_published_layout_is_loaded(tmp_path: Path) -> None:
    """Names behind ``backbone.``, and positions of another image size."""
    published = MODELS.build(tiny_model()).backbone
    torch.nn.init.normal_(published.pos_embed)
    file = tmp_path / 'published.pth'
    torch.save({'state_dict': {f'backbone.{name}': item for name, item in published.state_dict().items()}}, file)
    config = tiny_model()
    config.backbone.update(img_size=70, init_cfg={**real_model().backbone.init_cfg, 'checkpoint': str(file)})
    model = MODELS.build(config)
    model.init_weights()
    found, expected = model.backbone.state_dict(), published.state_dict()
    positions = expected.pop('pos_embed')
    grid = positions[:, 1:].reshape(1, 3, 3, 16).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(5, 5), mode='bicubic', align_corners=False).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found.pop('pos_embed'), torch.cat([positions[:, :1], grid], 1))
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def test_training_changes_the_classifier_alone_and_the_teacher_is_the_same_network(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = weights(trained, 0), weights(trained, 1)
    assert last['decode_head.conv_seg.weight'].shape == (21, 16, 1, 1)
    changed = {name for name in first if not torch.equal(first[name], last[name][: len(first[name])])}
    assert changed == {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}
    shared = []
    call = SharedTrunkTeacher.__call__
    monkeypatch.setattr(SharedTrunkTeacher, '__call__', lambda *args: shared.append(1) or call(*args))
    train(tiny_config(tmp_path, 'mib', base_from=str(trained), steps__base__iters=2, steps__later__iters=2))
    assert len(shared) == 2, 'one pass of the backbone per iteration serves both'


def test_plain_mmsegmentation_segments_images_of_any_size(trained: Path) -> None:
    model = init_model(str(trained / 'step_1/model_config.py'), str(trained / 'step_1/model.pth'), device='cpu')
    image = torch.randint(255, (45, 61, 3), dtype=torch.uint8).numpy()
    assert inference_model(model, image).pred_sem_seg.data.shape == (1, 45, 61)


@pytest.mark.parametrize('method', ['closed_form', 'closed_form_fine'])
def test_closed_form_needs_no_gradient_at_any_step(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: Any, **kwargs: Any) -> None:
        raise AssertionError('a gradient was computed')

    monkeypatch.setattr(torch.Tensor, 'backward', refused)
    cfg = tiny_config(tmp_path, method, steps__base__iters=0, method__structure__width=32)
    results = train(cfg)
    assert [result['iterations'] for result in results] == [0, 0]
    first, last = weights(tmp_path, 0), weights(tmp_path, 1)
    assert all(torch.equal(first[name], last[name]) for name in first if name.startswith('backbone.'))
    assert all(last[f'decode_head.conv_seg.steps.{step}.weight'].any() for step in (0, 1))


@pytest.mark.parametrize('method', [None, 'closed_form'])
def test_extend(trained: Path, tmp_path: Path, method: str | None) -> None:
    images, masks = write_images(tmp_path / 'new', count=6, ids=(0, 1), side=48)
    step = trained / 'step_0'
    iters = None if method else 2
    extend(
        step / 'model_config.py',
        step / 'model.pth',
        images,
        masks,
        ['forklift'],
        tmp_path / 'extended',
        method=method,
        iters=iters,
        display='none',
    )
    found, before = weights(tmp_path / 'extended', 1), weights(trained, 0)
    assert found['decode_head.conv_seg.weight'].shape == (17, 16, 1, 1)
    assert all(torch.equal(found[name], before[name]) for name in before if name.startswith('backbone.'))
