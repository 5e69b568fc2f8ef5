"""Whole protocols, in seconds: results, resuming, refusals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.errors import ConfigError
from mmciss.evaluation.contact_sheet import read_samples
from mmciss.evaluation.run_record import read_run
from tests.interruption import resumed_at
from tests.paths import ROOT
from tests.processes import start, training_command, wait_until
from tests.smoke import smoke_config


def results(folder: Path) -> list[dict]:
    """Returns the results of both steps without what may differ between equal runs."""
    found = [RunFolder(folder).result(index) for index in range(2)]
    for result in found:
        assert result is not None
        del result['seconds']
    return found


def test_a_finished_run_holds_everything(finished_run: Path) -> None:
    base, later = results(finished_run)
    assert base['sizes'] == [16] and later['sizes'] == [16, 5]
    assert len(later['classes']) == 21 and later['classes'][0] == 'background'
    confusion = np.array(later['confusion'])
    assert confusion.shape == (21, 21) and confusion.sum() > 0
    for name in (
        'run.json',
        'report.json',
        'report.csv',
        'report.md',
        'figures/heatmap.png',
        'figures/curves.png',
        'figures/contact_sheet.png',
    ):
        assert (finished_run / name).stat().st_size > 100, name
    run = json.loads((finished_run / 'run.json').read_text())
    assert run['method'] == 'MiB' and run['protocol'] == '15-5' and run['versions']['mmciss']
    assert not list(finished_run.glob('step_*/iter_*.pth')), 'training checkpoints of finished steps are removed'


def test_a_second_run_does_nothing_and_says_so(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'copy'
    shutil.copytree(finished_run, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.glob('step_*/*')}
    train(smoke_config(folder))
    assert 'nothing to train' in (folder / 'run.log').read_text()
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob('step_*/*')}


def test_results_reach_the_visualizer_backends(finished_run: Path) -> None:
    lines = [
        json.loads(line)
        for path in (finished_run / 'step_1').glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    found = {name: value for line in lines for name, value in line.items()}
    assert 0 <= found['ciss/old'] <= 100 and 'ciss/IoU/background' in found and 'loss' in found


def kill_when(process: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Kills a process, with no chance to clean up, as soon as a condition holds."""
    wait_until(condition, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_resumed_equals_uninterrupted(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    moments = [
        (folder / 'step_0' / 'iter_2.pth').exists,
        (folder / 'step_0' / 'model.pth').exists,
        (folder / 'step_1' / 'iter_4.pth').exists,
    ]
    for index, moment in enumerate(moments):
        kill_when(start(*training_command(folder, *(['--resume'] if index else []))), moment)
    assert RunFolder(folder).first_open_step(2) <= 1
    assert resumed_at(folder / 'step_0')[0] >= 2, 'it continues where its checkpoint is'
    process = start(*training_command(folder, '--resume'))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert [item['confusion'] for item in results(folder)] == [item['confusion'] for item in results(finished_run)]
    for index in range(2):
        ours, theirs = (
            torch.load(item / f'step_{index}' / 'model.pth', weights_only=True)['state_dict']
            for item in (folder, finished_run)
        )
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), f'step {index}: weights differ'
    assert (folder / 'report.json').exists()


def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_used(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    kill_when(start(*training_command(folder)), (folder / 'step_0' / 'iter_4.pth').exists)
    path = folder / 'step_0' / 'iter_4.pth'
    path.write_bytes(path.read_bytes()[:1000])
    train(smoke_config(folder, resume=True))
    assert (folder / 'step_0' / 'iter_4.pth.damaged').exists()
    assert [item['confusion'] for item in results(folder)] == [item['confusion'] for item in results(finished_run)]


def test_a_deleted_step_is_trained_again(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    shutil.copytree(finished_run, folder)
    shutil.rmtree(folder / 'step_1')
    with pytest.raises(ConfigError, match=r'unfinished run \(1 of 2 steps done\). Add --resume'):
        train(smoke_config(folder))
    train(smoke_config(folder, resume=True))
    assert results(folder) == results(finished_run)


def test_a_lost_state_is_named_and_its_step_trained_again(finished_run: Path, tmp_path: Path) -> None:
    """Training gives the same files again, so the step that started from them is kept."""
    folder = tmp_path / 'run'
    shutil.copytree(finished_run, folder)
    (folder / 'step_0' / 'state.pth').unlink()
    with pytest.raises(ConfigError, match=r'0 of 2 steps done; step 0 does not count as done: state.pth is missing'):
        train(smoke_config(folder))
    before = (folder / 'step_1' / 'result.json').stat().st_mtime_ns
    train(smoke_config(folder, resume=True))
    assert results(folder) == results(finished_run)
    assert 'state.pth is missing. The step is trained again' in (folder / 'run.log').read_text()
    assert (folder / 'step_0' / 'model.pth.damaged').is_file()
    assert (folder / 'step_1' / 'result.json').stat().st_mtime_ns == before


@pytest.mark.parametrize('steps', [[9], [], [-1], [0, 2], 'x'], ids=str)
def test_unknown_steps_are_refused_before_the_folder_is_claimed(tmp_path: Path, steps: object) -> None:
    with pytest.raises(ConfigError, match=r'--steps \(run_steps\): .* are not steps of 15-5; allowed: 0 to 1'):
        train(smoke_config(tmp_path / 'run', run_steps=steps))
    assert not (tmp_path / 'run').exists()


def test_another_experiment_in_the_same_folder_is_refused(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    shutil.copytree(finished_run, folder)
    with pytest.raises(ConfigError, match=r'(?s)different experiment.*method: found'):
        train(smoke_config(folder, method='finetuning'))
    with pytest.raises(ConfigError, match=r'(?s)different experiment.*seed: found 0, now 1'):
        train(smoke_config(folder, randomness__seed=1))


def test_base_step_is_shared_between_methods(finished_run: Path, tmp_path: Path) -> None:
    found = train(smoke_config(tmp_path / 'ft', method='finetuning', base_from=str(finished_run)))
    assert found[0]['sha256'] == results(finished_run)[0]['sha256']
    assert not RunFolder(tmp_path / 'ft').fault(0)
    with pytest.raises(ConfigError, match='was trained differently'):
        train(smoke_config(tmp_path / 'other', base_from=str(finished_run), randomness__seed=1))
    with pytest.raises(ConfigError, match='holds no finished base step'):
        train(smoke_config(tmp_path / 'none', base_from=str(tmp_path)))
    assert not (tmp_path / 'other').exists() and not (tmp_path / 'none').exists(), 'a refused run writes nothing'
    shutil.copytree(finished_run / 'step_0', tmp_path / 'exchanged' / 'step_0')
    result = json.loads((tmp_path / 'exchanged' / 'step_0' / 'result.json').read_text())
    result['base_data']['labels'] = 'of other masks'
    (tmp_path / 'exchanged' / 'step_0' / 'result.json').write_text(json.dumps(result))
    with pytest.raises(ConfigError, match='trained on other images or masks'):
        train(smoke_config(tmp_path / 'masks', base_from=str(tmp_path / 'exchanged')))


def test_an_older_base_step_shows_the_same_images_as_the_steps_after_it(finished_run: Path, tmp_path: Path) -> None:
    base = tmp_path / 'older' / 'step_0'
    shutil.copytree(finished_run / 'step_0', base)
    with np.load(base / 'samples.npz') as file:
        known = {name: file[name] for name in file.files}
    older = {name: np.roll(known[name], 1, axis=0) for name in ('images', 'labels', 'predictions')}
    np.savez(base / 'samples.npz', **older)
    folder = tmp_path / 'run'
    train(smoke_config(folder, method='finetuning', base_from=str(base.parent)))
    samples = read_samples(read_run(folder))
    assert [item.step for item in samples] == [0, 1]
    np.testing.assert_array_equal(samples[0].images, known['images'])
    np.testing.assert_array_equal(samples[0].predictions, known['predictions'])
    assert not list(folder.glob('step_0/*_*_*')) and not RunFolder(folder).fault(0)


def test_steps_can_be_run_one_at_a_time(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    train(smoke_config(folder, run_steps=[0]))
    assert RunFolder(folder).first_open_step(2) == 1
    train(smoke_config(folder, run_steps=[1], resume=True))
    assert results(folder) == results(finished_run)


def test_exported_model_runs_without_mmciss(finished_run: Path) -> None:
    """Plain MMSegmentation, in a process where mmciss cannot be imported, gives the logits of our own model."""
    code = """
import contextlib, io, sys
sys.modules['mmciss'] = None
import torch
with contextlib.redirect_stdout(io.StringIO()):
    from mmseg.apis import init_model
model = init_model(sys.argv[1] + '/model_config.py', sys.argv[1] + '/model.pth', device='cpu')
assert model.dataset_meta['classes'][0] == 'background' and len(model.dataset_meta['classes']) == 21
torch.manual_seed(0)
with torch.no_grad():
    torch.save(model(torch.randn(1, 3, 48, 48), mode='tensor'), sys.argv[2])
"""
    target = finished_run.parent / 'logits.pth'
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    subprocess.run(
        [sys.executable, '-c', code, str(finished_run / 'step_1'), str(target)],
        check=True,
        env=environment,
        cwd=finished_run.parent,
        capture_output=True,
    )
    from mmengine.config import Config

    from mmciss.models.classifiers import build_grown_segmentor
    from mmciss.models.previous import load_plain_checkpoint

    cfg = Config.fromfile(finished_run / 'step_1' / 'model_config.py')
    model = build_grown_segmentor(cfg.model, (16, 5)).eval()
    load_plain_checkpoint(model, finished_run / 'step_1' / 'model.pth', key='test')
    torch.manual_seed(0)
    with torch.no_grad():
        ours = model(torch.randn(1, 3, 48, 48), mode='tensor')
    assert torch.equal(ours, torch.load(target, weights_only=True))


@pytest.mark.slow
def test_stock_tool_of_mmsegmentation_trains_with_nothing_but_the_config(finished_run: Path, tmp_path: Path) -> None:
    import mmseg

    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
    if not tool.is_file():
        pytest.skip(f'MMSegmentation was installed without its tools ({tool})')
    subprocess.run(
        [sys.executable, str(tool), str(ROOT / 'configs/shapes/shapes_smoke.py'), '--work-dir', str(tmp_path / 'run')],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert [item['confusion'] for item in results(tmp_path / 'run')] == [
        item['confusion'] for item in results(finished_run)
    ]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(protocol=dict(_delete_=True)), "the config has no key 'protocol'"),
        (
            dict(protocol__setting='overlaped'),
            r"protocol.setting: unknown setting 'overlaped'.*Did you mean 'overlapped'",
        ),
        (dict(protocol__name='15-3'), "5 of the 20 classes remain.*Allowed with this base: '15-1', '15-5'"),
        (dict(protocol__name='25-1'), '25-1'),
        (dict(protocol__order=[1, 2, 2]), 'protocol.order'),
        (dict(protocol__label_policy='mbi'), "'mbi'"),
        (dict(train_cfg__by_epoch=True), 'train_cfg: .*by_epoch=True.*IterBasedTrainLoop'),
        (dict(steps__later__lr=-1), 'steps.later.lr must be a positive number'),
        (dict(method__losses__kd__type='UnbaisedLoss'), "method.losses.kd: nothing is called 'UnbaisedLoss'"),
    ],
)
def test_wrong_configs_are_refused_before_training(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(smoke_config(tmp_path / 'run', **options))
    assert not list((tmp_path / 'run').glob('step_0/*.pth'))
