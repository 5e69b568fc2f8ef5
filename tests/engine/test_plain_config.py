"""Exported configs hold what the model needs, and nothing that only training used."""

from __future__ import annotations

import pytest
from mmseg.registry import MODELS, TRANSFORMS
from torch import nn

import mmciss.register_all
from mmciss.engine.model_config import needs_mmciss, plain_imports, without_mmciss

PACK = dict(type='PackSegInputs')
MODEL = dict(type='EncoderDecoder', backbone=dict(type='OwnNetOfATest'), decode_head=[dict(type='FCNHead')])


@pytest.fixture(autouse=True)
def own_modules() -> None:
    """Registers a network and a transform, as a user's modules would."""
    net, transform = (
        type(name, (nn.Module,), {'__module__': module})
        for name, module in (('OwnNetOfATest', 'own.nets.net'), ('OwnCropOfATest', 'crops'))
    )
    MODELS.register_module(module=net, force=True)
    TRANSFORMS.register_module(module=transform, force=True)
    yield
    MODELS.module_dict.pop('OwnNetOfATest')
    TRANSFORMS.module_dict.pop('OwnCropOfATest')


def test_a_network_of_the_users_own_is_imported_and_a_loss_is_not() -> None:
    imports = dict(imports=['mmciss.register_all', 'own.register', 'own_losses'], allow_failed_imports=False)
    assert plain_imports(imports, MODEL, []) == dict(imports=['own.register'], allow_failed_imports=False)


def test_a_transform_of_the_users_own_is_imported() -> None:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[[dict(type='OwnCropOfATest')]])]
    assert plain_imports(dict(imports='crops'), {}, pipeline) == dict(imports=['crops'], allow_failed_imports=False)


def test_mmciss_is_imported_for_layers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODELS.get('OwnNetOfATest'), '__module__', 'mmciss.models.net')
    found = plain_imports(None, MODEL, [])
    assert found == dict(imports=['mmciss.register_all'], allow_failed_imports=False)
    assert needs_mmciss(dict(custom_imports=found)) and not needs_mmciss(dict(custom_imports=None))
    monkeypatch.undo()
    pipeline = [dict(type='SegCenterCrop', crop_size=8)]
    assert plain_imports(dict(imports=['mmciss.register_all']), MODEL, pipeline) is None


@pytest.mark.parametrize('imports', [None, {}, dict(imports=['mmciss.register_all'])])
def test_nothing_to_import(imports: dict | None) -> None:
    assert plain_imports(imports, MODEL, []) is None


def test_plain_mmsegmentation_gets_its_own_transforms_only() -> None:
    found = without_mmciss(
        [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='SegCenterCrop', crop_size=96), PACK]
    )
    assert [item['type'] for item in found] == ['LoadImageFromFile', 'Resize', 'LoadAnnotations', 'PackSegInputs']
    assert found[1]['scale'][1] == 96 and found[1]['keep_ratio']
