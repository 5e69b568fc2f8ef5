"""What is decided before an extension trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.extend.data import ExtensionData
from mmciss.extend.extension import ExtensionExperiment, check_new_names, extension_protocol
from mmciss.extend.old_model import read_old_model
from tests.extend.samples import write_images, write_model

OLD = ('background', 'person', 'car')


def resolve(
    model: tuple[Path, Path], images: Path, masks: Path, out: Path, options: dict[str, Any] | None = None
) -> ExtensionExperiment:
    data = ExtensionData(images=images, masks=masks)
    return ExtensionExperiment.resolve(read_old_model(*model), ['fork'], data, out, dict(iters=4), cfg_options=options)


@pytest.mark.parametrize(
    ('new', 'message'),
    [
        (['Person'], r"--classes: the model has a class 'person' already \(id 1\)"),
        (['fork', 'fork'], '--classes: listed more than once: fork'),
        ([], '--classes: .*at least one'),
        (['fork', ' '], '--classes: .*at least one'),
        ([f'c{i}' for i in range(252)], '--classes: 3 classes and 252 new ones are too many'),
    ],
)
def test_wrong_names_are_refused(new: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_new_names(new, OLD)


@given(old=st.integers(1, 20), new=st.integers(1, 20), background=st.booleans())
def test_old_ids_stay(old: int, new: int, background: bool) -> None:
    old += background
    names = [f'o{i}' for i in range(old)]
    base, step = extension_protocol(names, [f'n{i}' for i in range(new)], background)
    assert list(base.names) == names and base.num_new == old and base.num_future == new
    assert list(step.names[:old]) == names and step.num_old == old and step.num_new == new
    assert [step.channel_of[number] for number in step.new] == list(range(old, old + new))


@pytest.mark.parametrize(
    'taken', ['model.pth', 'model_config.py', 'report.md', 'data/test', 'extension.json', 'figures']
)
def test_files_of_the_user_are_not_overwritten(taken: str, tmp_path: Path) -> None:
    """``--work-dir .`` beside a model of one's own."""
    images, masks = write_images(tmp_path / 'new', count=4, ids=(0, 1))
    model = write_model(tmp_path / 'model')
    file = tmp_path / 'out' / taken / ('masks' if taken == 'data/test' else '')
    file.parent.mkdir(parents=True)
    file.write_text('mine')
    with pytest.raises(ConfigError, match=f'--work-dir: .* holds {taken}, which would be overwritten'):
        resolve(model, images, masks, tmp_path / 'out')
    assert file.read_text() == 'mine'


def test_the_report_states_what_cfg_options_made_of_settings(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path / 'new', count=4, ids=(0, 1))
    model = write_model(tmp_path / 'model')
    plain = resolve(model, images, masks, tmp_path / 'out').settings
    options = {'optim_wrapper.optimizer.lr': 0.5, 'train_dataloader.batch_size': 2, 'train_cfg.max_iters': 6}
    found = resolve(model, images, masks, tmp_path / 'out', options)
    settings, cfg = found.settings, found.cfg
    assert settings['lr'].value == cfg.optim_wrapper.optimizer.lr == 0.5
    assert settings['batch_size'].value == cfg.train_dataloader.batch_size == 2
    assert settings['iters'].value == cfg.train_cfg.max_iters == 6
    assert settings['optimizer'].value == cfg.optim_wrapper.to_dict()
    ratio = plain['new_rows_lr'].value / plain['lr'].value
    assert settings['new_rows_lr'].value == pytest.approx(0.5 * ratio)
    for key in ('lr', 'batch_size', 'iters', 'optimizer', 'new_rows_lr'):
        assert 'by --cfg-options' in settings[key].reason and 'cfg-options' not in plain[key].reason


def test_what_the_model_ignored_is_not_ignored_in_the_labels_of_a_step(tmp_path: Path) -> None:
    """Labels of a step have 255 there; with 0, background would teach nothing."""
    images, masks = write_images(tmp_path / 'new', count=4, ids=(0, 1))
    config, checkpoint = write_model(tmp_path / 'model')
    config.write_text(config.read_text() + "\nmodel['decode_head']['ignore_index'] = 0\n")
    found = resolve((config, checkpoint), images, masks, tmp_path / 'out')
    assert MODELS.build(found.cfg.model).decode_head.ignore_index == 255
    assert found.old.plain_source.model.decode_head.ignore_index == 0, "the exported config is the user's"
    with pytest.raises(ConfigError, match='model.decode_head.ignore_index: must be 255'):
        resolve((config, checkpoint), images, masks, tmp_path / 'out', {'model.decode_head.ignore_index': 0})
