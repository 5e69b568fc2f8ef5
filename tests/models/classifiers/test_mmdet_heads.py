"""MMSegmentation's own heads for queries, as far as MMDetection is here.

Without compiled operations of mmcv: ``python -m pytest -p tests.models.mmcv_operations`` and this file.
"""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.engine.model_config import strip_pretrained
from mmciss.models.classifiers import (
    build_grown_segmentor,
    find_growable,
    load_old_rows,
    plain_model_cfg,
    plain_state_dict,
)
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.models.outputs import Readout, run_segmentor
from mmciss.models.step_context import StepContext
from mmciss.protocols.step import Step
from tests.models import zoo
from tests.models.classifiers.test_query_heads import predicted
from tests.models.set_loss import set_loss
from tests.models.tiny import batch

pytestmark = pytest.mark.skipif(not zoo.zoo(), reason='MMSegmentation was installed without its configs')
NEW = 2


@pytest.fixture(params=['maskformer', 'mask2former', 'maskformer_swin-t_upernet', 'mask2former_swin-t'])
def model(request: pytest.FixtureRequest) -> ConfigDict:
    """The config of a tiny model with 150 classes."""
    try:
        import mmdet.models  # noqa: F401
    except ImportError as error:
        pytest.skip(f'MMDetection with compiled operations of mmcv is not here ({error})')
    names = zoo.zoo()
    if request.param not in names:
        folder = zoo.CONFIGS / request.param.partition('_')[0]
        names = {request.param: next(folder.glob(f'{request.param}_*ade20k*.py'))}
    cfg = zoo.shrink(zoo.Config.fromfile(names[request.param]))
    decoder = cfg.model.decode_head.transformer_decoder
    decoder.num_layers = 3
    cfg.model.decode_head.num_queries = 8
    strip_pretrained(cfg.model)
    return cfg.model


def sized(model: ConfigDict, num_classes: int) -> ConfigDict:
    model = copy.deepcopy(model)
    set_num_classes(model, num_classes)
    return model


def extended(model: ConfigDict) -> tuple[nn.Module, nn.Module]:
    """Returns a plain model and the one of the next step that starts from it, both in training mode."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        old = MODELS.build(copy.deepcopy(model))
        new = build_grown_segmentor(sized(model, 150 + NEW), (150, NEW))
    assert load_old_rows(new, old.state_dict()) == ([], [])
    return old, new


def test_the_whole_adapter(model: ConfigDict) -> None:
    assert find_growable(model.decode_head) == ['cls_embed']
    old, new = extended(model)
    inputs, samples = batch(side=64, channels=150 + NEW)
    step = Step(
        1,
        new=(150, 151),
        old=tuple(range(1, 150)),
        sizes=(150, NEW),
        names=tuple(f'c{index}' for index in range(150 + NEW)),
    )
    BackgroundInitializer()(new.decode_head.cls_embed, StepContext(step))
    before, after = predicted(old, inputs), predicted(new, inputs)
    torch.testing.assert_close(after[:, 1:150], before[:, 1:], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(after[:, [0, 150, 151]], before[:, :1].expand(-1, 3, -1, -1) / 3, rtol=1e-4, atol=1e-6)

    config = plain_model_cfg(model, 150 + NEW)
    assert config.decode_head.loss_cls.class_weight == [1.0] * (150 + NEW) + [0.1]
    plain = MODELS.build(config)
    plain.load_state_dict(plain_state_dict(new))
    assert type(plain.decode_head) is MODELS.get(model.decode_head.type)
    assert torch.equal(predicted(plain, inputs), after)

    teacher = build_grown_segmentor(model, (150,)).eval()
    teacher.load_state_dict(old.state_dict())
    new.eval()
    shared = run_segmentor(new, inputs)
    shared = torch.cat([shared[:, [0, 150, 151]].logsumexp(1, keepdim=True), shared[:, 1:150]], 1)
    torch.testing.assert_close(shared, run_segmentor(teacher, inputs), rtol=1e-4, atol=1e-4)

    new.train()
    with Readout(new, losses_too=True) as readout:
        losses = new.loss(inputs, samples)
    assert readout.output().logits.shape[1] == 150 + NEW
    losses['decode.loss_ce'].backward()
    missing = [name for name, parameter in new.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert not [name for name in missing if name.startswith('decode_head')], missing
    assert new.decode_head.cls_embed.rest.weight.grad.abs().sum() > 0
    assert new.decode_head.mask_embed[4].weight.grad.abs().sum() > 0


def test_the_scores_are_what_the_head_predicts(model: ConfigDict) -> None:
    """At the size of the masks, where nothing is upsampled."""
    _, new = extended(model)
    inputs, _ = batch(side=64)
    scores = run_segmentor(new.eval(), inputs)
    maps = new.extract_feat(inputs)
    size = tuple(scores.shape[-2:])
    metas = [dict(img_shape=size, pad_shape=size) for _ in inputs]
    torch.testing.assert_close(scores.exp(), new.decode_head.predict(maps, metas, {}), rtol=1e-4, atol=1e-7)


def test_the_own_loss_is_that_of_the_plain_head(model: ConfigDict) -> None:
    """Bit by bit, points and dropout drawn with the same seed; MaskFormer's is also that of its formulas."""
    inputs, samples = batch(side=64, channels=5)
    samples[0].gt_sem_seg.data[0, :8] = 255
    config = sized(model, 150 + NEW)
    config.decode_head.loss_decode = dict(type='SetLoss')
    own = build_grown_segmentor(config, (150, NEW)).train()
    plain = MODELS.build(sized(model, 150 + NEW)).train()
    plain.load_state_dict(plain_state_dict(own))
    found = []
    for network in (own, plain):
        torch.manual_seed(0)
        found.append(network.loss(inputs, copy.deepcopy(samples)))
    assert found[0].keys() == found[1].keys() and 'decode.d1.loss_mask' in found[0]
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name
    sum(found[0].values()).backward()
    assert all(group.weight.grad.abs().sum() > 0 for group in own.decode_head.cls_embed.groups)
    if type(plain.decode_head).__name__ != 'MaskFormerHead':
        return
    torch.manual_seed(0)
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=sample.img_shape))
    classes, masks = own.decode_head.query_logits(own.extract_feat(inputs), samples)
    expected = set_loss(classes, masks, torch.cat([sample.gt_sem_seg.data for sample in samples]))
    for name, value in expected.items():
        torch.testing.assert_close(found[0][f'decode.{name}'].sum(), value, rtol=1e-4, atol=1e-5)
