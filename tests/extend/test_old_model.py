"""The model that is to be extended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.extend.old_model import read_old_model
from tests.extend.samples import OLD, STUFF, write_model
from tests.models import refused_head  # noqa: F401


@pytest.fixture(scope='module')
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A config and a checkpoint."""
    return write_model(tmp_path_factory.mktemp('model'))


def edited(files: tuple[Path, Path], path: Path, **options) -> Config:
    cfg = Config.fromfile(files[0])
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    cfg.dump(path)
    return cfg


def test_everything_is_found(files: tuple[Path, Path]) -> None:
    old = read_old_model(*files)
    assert old.names == OLD and old.background and old.num_classes == 3
    assert old.palette == ((0, 0, 0), (10, 0, 0), (20, 0, 0)) and old.named_by == 'the checkpoint'
    assert old.weights['decode_head.conv_seg.weight'].shape[0] == 3


def test_background_is_a_name_or_a_flag(files: tuple[Path, Path], tmp_path: Path) -> None:
    stuff = write_model(tmp_path, STUFF)
    assert not read_old_model(*stuff).background and read_old_model(*stuff, background='yes').background
    assert not read_old_model(*files, background='no').background
    with pytest.raises(ConfigError, match="--background: 'maybe'"):
        read_old_model(*files, background='maybe')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(model__decode_head__num_classes=5, model__auxiliary_head__num_classes=5),
            r'CHECKPOINT: .*weights.pth does not fit MODEL_CONFIG .*conv_seg.bias is \(3,\) in .* and \(5,\)',
        ),
        (dict(model__backbone__depth=34), 'CHECKPOINT: .*weights missing in the checkpoint, such as backbone'),
        (dict(model__backbone__type='NoNet'), 'MODEL_CONFIG: .*the model cannot be built'),
        (dict(model__decode_head__type='NoHead'), 'MODEL_CONFIG: .*a head cannot be built'),
        (dict(model__decode_head__out_channels=1, model__decode_head__num_classes=2), 'out_channels.*is binary'),
    ],
)
def test_models_that_do_not_fit_are_refused(
    files: tuple[Path, Path], tmp_path: Path, options: dict, message: str
) -> None:
    edited(files, tmp_path / 'config.py', **options)
    with pytest.raises(ConfigError, match=message):
        read_old_model(tmp_path / 'config.py', files[1])


def test_a_head_that_cannot_grow_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    head = dict(type='NormOverClassesHead', in_channels=32, channels=8, num_classes=3, in_index=3, _delete_=True)
    edited(files, tmp_path / 'config.py', model__decode_head=head)
    with pytest.raises(
        ConfigError,
        match=r'MODEL_CONFIG: .*NormOverClassesHead cannot learn further classes'
        r'.*Heads that work: ANNHead.*UPerHead',
    ):
        read_old_model(tmp_path / 'config.py', files[1])


def test_a_model_without_decode_head_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / 'config.py').write_text("model = dict(type='Depther')", encoding='utf-8')
    with pytest.raises(ConfigError, match='model Depther has no decode_head.*Heads that can.*: ANNHead'):
        read_old_model(tmp_path / 'config.py', files[1])
    (tmp_path / 'config.py').write_text('x = 1', encoding='utf-8')
    with pytest.raises(ConfigError, match="MODEL_CONFIG: .*has no key 'model'"):
        read_old_model(tmp_path / 'config.py', files[1])


def test_missing_and_broken_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='MODEL_CONFIG: config: no file'):
        read_old_model(tmp_path / 'no.py', files[1])
    with pytest.raises(FileNotFoundError, match='checkpoint not found'):
        read_old_model(files[0], tmp_path / 'no.pth')
    (tmp_path / 'broken.pth').write_bytes(files[1].read_bytes()[:500])
    with pytest.raises(ConfigError, match='CHECKPOINT: .*broken.pth cannot be read safely'):
        read_old_model(files[0], tmp_path / 'broken.pth')


def test_a_forgotten_auxiliary_head_does_not_matter(files: tuple[Path, Path], tmp_path: Path) -> None:
    edited(files, tmp_path / 'config.py', model__auxiliary_head=None)
    assert not any(name.startswith('auxiliary') for name in read_old_model(tmp_path / 'config.py', files[1]).weights)


def test_wrapped_weights_are_read(files: tuple[Path, Path], tmp_path: Path) -> None:
    weights = torch.load(files[1], weights_only=True)['state_dict']
    torch.save({f'module.{name}': tensor for name, tensor in weights.items()}, tmp_path / 'ddp.pth')
    assert read_old_model(files[0], tmp_path / 'ddp.pth').names[0] == 'class_0'


def test_a_file_beside_a_plain_checkpoint_is_not_read(tmp_path: Path) -> None:
    files = write_model(tmp_path)
    files[1].with_name('state.pth').write_text('the optimizer of somebody else', encoding='utf-8')
    found = read_old_model(*files)
    assert found.structure is None and found.exported is None and found.state == {}
