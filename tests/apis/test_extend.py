"""The command line of extending a model."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmciss.apis.extend import main, parse_args
from tests.extend.samples import write_images, write_model
from tests.paths import ROOT


@pytest.fixture(scope='module')
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments that would work."""
    folder = tmp_path_factory.mktemp('command')
    config, checkpoint = write_model(folder / 'model')
    images, masks = write_images(folder / 'data')
    return [
        str(config),
        str(checkpoint),
        '--images',
        str(images),
        '--masks',
        str(masks),
        '--work-dir',
        str(folder / 'run'),
        '--iters',
        '1',
        '--batch-size',
        '2',
        '--crop-size',
        '16',
        '--classes',
        'fork',
        'pallet',
    ]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (['--classes', 'cat'], "error: --classes: the model has a class 'cat' already"),
        (['--classes', 'fork'], 'error: --masks: ids 2 match no class'),
        (['--classes', 'fork', 'pallet', 'crate'], 'error: --masks: no labelled pixel of crate'),
        (['--masks', 'nowhere'], 'error: --masks: no folder nowhere'),
        (['--method', 'dkd'], 'error: --method dkd: it shapes'),
        (['--method', 'mbi'], "error: --method: unknown method 'mbi'"),
        (['--classes', 'fork', 'pal\nlet'], "error: --classes: 'pal\\nlet' holds characters"),
        (['--seed', '-1'], 'error: --seed: -1; allowed are whole numbers from 0 to'),
        (['--work-dir', __file__], 'error: --work-dir: '),
        (['--work-dir', ''], 'error: --work-dir: is empty'),
        (['--image-suffix', ''], 'error: --image-suffix: is empty'),
        (['--lr', 'inf'], 'error: --lr: inf; it must be a positive number'),
        (['--crop-size', '1000000000'], 'error: --crop-size: 1000000000; at most 16384 pixels'),
        (['--cfg-options', 'steps.later.iters=3'], "an extension does not read 'steps'; use --iters"),
        (['--cfg-options', 'launcher=pytorch'], "an extension does not read 'launcher'"),
        (['--cfg-options', 'test_dataloader.batch_size=3'], "an extension does not read 'test_dataloader'"),
        (['--cfg-options', 'model=None'], 'error: model: must be a dictionary, found None'),
        (
            ['--cfg-options', 'optim_wrapper.optimizer=3'],
            'error: optim_wrapper.optimizer: must be a dictionary, found 3',
        ),
        (['--cfg-options', 'train_dataloader.dataset.x=1'], "error: train_dataloader.dataset: .*unexpected .*'x'"),
        (
            ['--cfg-options', 'train_dataloader.dataset.pipeline.2.type=Crop'],
            "train_dataloader.dataset: nothing is called 'Crop'",
        ),
        (['--iters', '0'], 'error: --iters: 0; it must be a positive number'),
        (['--device', 'tpu'], "error: --device: 'tpu'"),
        (['--device', 'cuda:99'], "error: --device: 'cuda:99' does not exist; allowed here: cpu"),
        (['--val-images', 'x'], 'error: --val-images and --val-masks: give both or none'),
        (['--old-val-config', 'no.py'], 'error: config: no file no.py'),
    ],
)
def test_wrong_input_ends_with_one_line(
    command: list[str], changes: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert main([*command, *changes]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error or re.search(message, error)
    assert not Path(command[command.index('--work-dir') + 1]).exists(), 'nothing is written'


def test_impossible_folders_are_refused(command: list[str], capsys: pytest.CaptureFixture) -> None:
    images, masks = (command[command.index(flag) + 1] for flag in ('--images', '--masks'))
    assert main([*command, '--images', masks]) == 2
    assert main([*command, '--work-dir', images]) == 2
    assert main([*command, '--work-dir', f'{masks}/run']) == 2
    assert main([command[0], 'https://nowhere/x.pth', *command[2:]]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error')]
    assert 'is given as an image and as its mask' in errors[0]
    assert 'lies in the folder of --images' in errors[1] and 'lies in the folder of --masks' in errors[2]
    assert 'a web address; download the file' in errors[3]
    assert {path.suffix for path in Path(images).iterdir()} == {'.png'}, 'nothing is written there'


def test_wrong_files_end_with_one_line(command: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(['no.py', *command[1:]]) == 2
    assert main([command[0], 'no.pth', *command[2:]]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error')]
    assert 'MODEL_CONFIG' in errors[0] and 'checkpoint not found: no.pth' in errors[1]


def test_the_tool(command: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'extend.py'), *command, '--device', 'cpu'],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    run = Path(command[command.index('--work-dir') + 1])
    log = (run / 'run.log').read_text(encoding='utf-8')
    assert 'New: fork (id 3), pallet (id 4)' in log and 'iters: 1 (as given)' in log
    assert "method: anchor (class 0, 'background', is a background class" in log
    assert (run / 'model.pth').is_file()


@pytest.mark.parametrize(
    ('error', 'status', 'line'),
    [
        (KeyboardInterrupt(), 130, 'interrupted; the same command with --resume continues the run'),
        (
            OSError(errno.ENOSPC, 'No space left on device', 'x.pth'),
            1,
            'error: cannot write x.pth: No space left on device',
        ),
    ],
)
def test_it_ends_without_a_traceback(
    command: list[str],
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr('mmciss.extend.old_model.read_old_model', fail)
    assert main(command) == status
    assert capsys.readouterr().err.startswith(line)


def test_every_flag_reaches_the_call(command: list[str]) -> None:
    args = vars(parse_args([*command, '--cfg-options', 'train_dataloader.num_workers=2']))
    assert args['cfg_options'] == {'train_dataloader.num_workers': 2} and args['crop_size'] == 16
