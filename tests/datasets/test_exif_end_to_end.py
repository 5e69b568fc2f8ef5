"""A phone's photographs, stored in every orientation, of classes without a background: trained and drawn upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import mmciss.register_all
from mmciss.datasets.protocol_data import ProtocolData
from mmciss.datasets.samplers import DrawnIndex
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.engine.runner.rehearsal import rehearse
from mmciss.errors import ConfigError
from mmciss.evaluation.contact_sheet import read_samples
from mmciss.evaluation.run_record import read_run
from tests.datasets.exif import save_turned
from tests.paths import shared_data
from tests.step_run import CLASSES, step_run_config

SHORT, LONG = 48, 64


@pytest.fixture(scope='module')
def upright() -> np.ndarray:
    """A real photograph, (48, 64, 3) RGB."""
    folder = shared_data() / 'voc6/VOCdevkit/VOC2012/JPEGImages'
    path = next(path for path in sorted(folder.glob('*.jpg')) if Image.open(path).width > Image.open(path).height)
    return np.asarray(Image.open(path).resize((LONG, SHORT)))


def write_photographs(folder: Path, upright: np.ndarray) -> Path:
    """Writes the photograph in all eight orientations; each mask is drawn on the upright picture."""
    (folder / 'images').mkdir(parents=True)
    (folder / 'masks').mkdir()
    stripes = np.arange(LONG) * 7 // LONG - 1
    mask = np.where(stripes < 0, 255, stripes) * np.ones((SHORT, 1), dtype=np.int64)
    for index in range(8):
        save_turned(folder / f'images/p{index}.jpg', upright, index + 1, quality=95)
        Image.fromarray(mask.astype(np.uint8)).save(folder / f'masks/p{index}.png')
    (folder / 'list.txt').write_text(''.join(f'p{index}\n' for index in range(8)))
    return folder


def photograph_config(data: Path, work_dir: Path) -> Config:
    cfg = step_run_config(data, work_dir, 'finetuning')
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.img_suffix = '.jpg'
        cfg[f'{split}_dataloader'].dataset.metainfo = dict(classes=CLASSES[1:], palette=[[0, 0, i] for i in range(6)])
        cfg[f'{split}_dataloader'].dataset.pipeline = [
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ]
    return cfg


def test_photographs_of_a_phone_are_trained_and_drawn_upright(upright: np.ndarray, tmp_path: Path) -> None:
    cfg = photograph_config(write_photographs(tmp_path / 'data', upright), tmp_path / 'run')
    cfg.run_steps = [0]
    cfg.protocol.label_policy = dict(void_train='ignore', void_test='ignore')
    IncrementalRunner.from_cfg(cfg).train()
    data = ProtocolData.from_cfg(cfg).dataset(0, 'train')
    assert len(data) == 8
    for index in range(8):
        picture = data[DrawnIndex(index, seed=0, draw=0)]['inputs'].permute(1, 2, 0).numpy()[..., ::-1]
        assert picture.shape == upright.shape
        # JPEG loses a little; a picture on its side or mirrored differs by far more.
        assert np.abs(picture.astype(int) - upright).mean() < 8
    (samples,) = read_samples(read_run(tmp_path / 'run'))
    shown = np.abs(samples.images.astype(int) - samples.images[:1]).mean(axis=(1, 2, 3))
    assert (shown < 8).all(), 'the contact sheet shows pictures that are not upright'
    assert (samples.labels == samples.labels[:1]).all()
    record = read_run(tmp_path / 'run')
    assert record.background and not record.counts_background
    future = 8 * SHORT * int((np.arange(LONG) * 7 // LONG > 2).sum())
    assert np.asarray(record.last['confusion'])[0].sum() == future, 'what belongs to no class was tested'
    assert 'The data set has no background class' in (tmp_path / 'run/report.md').read_text()


def test_a_mask_of_the_stored_picture_is_refused_before_training(upright: np.ndarray, tmp_path: Path) -> None:
    data = write_photographs(tmp_path / 'data', upright)
    mask = Image.open(data / 'masks/p5.png')
    mask.transpose(Image.Transpose.ROTATE_90).save(data / 'masks/p5.png')
    cfg = photograph_config(data, tmp_path / 'run')
    with pytest.raises(ConfigError, match=r'p5\.png: the mask has 48x64 .*64x48 \(EXIF orientation 6\).*upright'):
        rehearse(Experiment.from_cfg(cfg))
