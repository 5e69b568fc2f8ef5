"""A run on disk."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest
import torch

from mmciss.engine.runner.run_folder import CARRIED, RunFolder, checksums
from mmciss.errors import ConfigError
from mmciss.utils.files import file_checksum, load_tensors, read_json, write_json


def finish(folder: RunFolder, index: int) -> Path:
    """Writes what makes a step count as done."""
    path = folder.step(index)
    path.mkdir(parents=True)
    (path / 'model.pth').write_bytes(b'weights')
    write_json(path / 'result.json', {'step': index, 'model': 'model.pth', 'sha256': file_checksum(path / 'model.pth')})
    return path


def test_a_step_is_done_only_with_a_whole_result_and_the_right_model(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.first_open_step(3) == 0 and not folder.has_started()
    finish(folder, 0)
    path = finish(folder, 1)
    assert folder.first_open_step(3) == 2 and folder.first_open_step(2) == 2
    text = (path / 'result.json').read_text()
    for damage in ('', text[: len(text) // 2]):
        (path / 'result.json').write_text(damage)
        assert folder.result(1) is None
    (path / 'result.json').write_text(text)
    (path / 'model.pth').write_bytes(b'weight')
    assert folder.first_open_step(3) == 1, 'a truncated model makes the step count as not done'
    (path / 'model.pth').unlink()
    assert folder.result(1) is None


def finish_two(folder: RunFolder) -> None:
    """Writes two finished steps with everything that a later step reads."""
    for index in range(2):
        path = folder.step(index)
        path.mkdir(parents=True)
        for name in CARRIED:
            (path / name).write_text(f'{name} of {index}')
        write_json(
            path / 'result.json',
            {
                'step': index,
                'model': 'model.pth',
                'sha256': file_checksum(path / 'model.pth'),
                'files': checksums(path),
                'previous': folder.files(0) if index else None,
            },
        )


@pytest.mark.parametrize('name', CARRIED)
@pytest.mark.parametrize('loss', ['lost', 'exchanged'])
def test_a_step_without_the_files_that_later_steps_read_is_not_done(tmp_path: Path, name: str, loss: str) -> None:
    folder = RunFolder(tmp_path)
    finish_two(folder)
    assert folder.first_open_step(2) == 2
    path = folder.step(0) / name
    path.unlink() if loss == 'lost' else path.write_text('another')
    assert folder.first_open_step(2) == 0
    assert re.match(rf'{name} is (missing|not the file that result.json names)', folder.fault(0))


def test_a_step_that_started_from_other_files_is_not_done(tmp_path: Path) -> None:
    """The step before was trained again and came out differently."""
    folder = RunFolder(tmp_path)
    finish_two(folder)
    path = folder.step(0)
    (path / 'state.pth').write_text('another')
    write_json(path / 'result.json', {**folder_result(path), 'files': checksums(path)})
    assert folder.result(0) is not None and folder.result(1) is None
    assert folder.fault(1) == 'it started from another state.pth than step 0 has now'


def folder_result(path: Path) -> dict:
    found = read_json(path / 'result.json')
    assert isinstance(found, dict)
    return found


def test_files_of_a_step_trained_again_are_kept_under_another_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finish_two(folder)
    for attempt, suffix in enumerate(('damaged', 'damaged2')):
        if attempt:
            finish(RunFolder(tmp_path / 'other'), 0)
            for item in (tmp_path / 'other' / 'step_0').iterdir():
                item.rename(folder.step(0) / item.name)
        (folder.step(0) / 'model.pth').write_text(f'another {attempt}')
        warnings: list[str] = []
        folder.reopen(0, warnings.append)
        assert len(warnings) == 1 and f'model.pth.{suffix}' in warnings[0] and 'checksum differs' in warnings[0]
        assert (folder.step(0) / f'model.pth.{suffix}').read_text() == f'another {attempt}'
    assert not (folder.step(0) / 'result.json').exists() and not folder.reopen(0, print)


def test_results_of_older_versions_hold_the_checksum_of_the_model_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    path = finish(folder, 0)
    (path / 'state.pth').write_text('state')
    assert folder.result(0) is not None and list(folder.files(0)) == ['model.pth']


def test_checkpoints_of_another_start_are_not_used(tmp_path: Path) -> None:
    """The step before was trained again while this one was in training."""
    folder = RunFolder(tmp_path)
    finish_two(folder)
    (folder.step(1) / 'result.json').unlink()
    (folder.step(1) / 'statistics.pth').write_text('of the old teacher')
    torch.save({'state_dict': {'a': torch.ones(3)}}, folder.step(1) / 'iter_4.pth')
    warnings: list[str] = []
    for _ in range(2):
        folder.begin(1, warnings.append)
    assert not warnings and folder.usable_checkpoint(1, print) is not None
    (folder.step(0) / 'state.pth').write_text('another')
    write_json(folder.step(0) / 'result.json', {**folder_result(folder.step(0)), 'files': checksums(folder.step(0))})
    folder.begin(1, warnings.append)
    assert re.search('starts again.*iter_4.pth.damaged, statistics.pth.damaged', warnings[0])
    assert folder.usable_checkpoint(1, print) is None and not (folder.step(1) / 'statistics.pth').exists()
    folder.begin(1, warnings.append)
    assert len(warnings) == 1


@pytest.mark.parametrize('files', [[], 'model.pth', {'model.pth': None}, {'state.pth': 3}])
def test_a_result_that_makes_no_sense_does_not_count(tmp_path: Path, files: object) -> None:
    folder = RunFolder(tmp_path)
    path = finish(folder, 0)
    write_json(path / 'result.json', {**folder_result(path), 'files': files})
    assert folder.result(0) is None and folder.fault(0)


def test_a_file_made_after_its_step_is_added_to_the_result(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finish_two(folder)
    (folder.step(0) / 'memory.json').write_text('{}')
    folder.add_file(0, 'memory.json')
    assert folder.files(0)['memory.json'] == file_checksum(folder.step(0) / 'memory.json')
    (folder.step(0) / 'memory.json').unlink()
    assert folder.first_open_step(2) == 2, 'a list of images can be made again without training'


@pytest.mark.parametrize('left', (0, 1, 60, 400))
def test_a_checkpoint_cut_off_while_it_was_written_is_moved_aside(tmp_path: Path, left: int) -> None:
    folder = RunFolder(tmp_path)
    folder.step(0).mkdir(parents=True)
    whole, cut = folder.step(0) / 'iter_2.pth', folder.step(0) / 'iter_10.pth'
    torch.save({'state_dict': {'a': torch.ones(3)}}, whole)
    cut.write_bytes(whole.read_bytes()[:left])
    warnings: list[str] = []
    assert folder.usable_checkpoint(0, warnings.append) == whole
    assert len(warnings) == 1 and re.search(
        r'iter_10\.pth cannot be read safely: it is truncated.*'
        r'iter_10\.pth\.damaged; step 0 continues from iter_2\.pth',
        warnings[0],
    )
    assert not cut.exists() and cut.with_suffix('.pth.damaged').exists()
    with pytest.raises(ValueError, match='iter_10.pth.damaged'):
        load_tensors(cut.with_suffix('.pth.damaged'))


def test_a_checkpoint_with_one_changed_byte_is_moved_aside(tmp_path: Path) -> None:
    """Torch reads it without complaint."""
    folder = RunFolder(tmp_path)
    folder.step(0).mkdir(parents=True)
    path = folder.step(0) / 'iter_10.pth'
    torch.save({'state_dict': {'a': torch.ones(3000)}}, path)
    assert folder.usable_checkpoint(0, print) == path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert torch.load(path)['state_dict']['a'].shape == (3000,)
    warnings: list[str] = []
    assert folder.usable_checkpoint(0, warnings.append) is None
    assert re.search(r'iter_10\.pth is damaged: the checksum of .*data/0 differs', warnings[0])


def test_without_a_readable_checkpoint_a_step_starts_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.step(1).mkdir(parents=True)
    (folder.step(1) / 'iter_4.pth').write_bytes(b'')
    warnings: list[str] = []
    assert folder.usable_checkpoint(1, warnings.append) is None
    assert 'step 1 starts from its beginning' in warnings[0]


def test_other_files_called_iter_are_left_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.step(0).mkdir(parents=True)
    for name in ('iter_best.pth', 'iter_.pth', 'iter_4.bak.pth'):
        (folder.step(0) / name).write_bytes(b'mine')
    assert folder.usable_checkpoint(0, print) is None and folder.checkpoints(0) == []
    assert len(list(folder.step(0).iterdir())) == 3


def test_another_experiment_is_refused_and_the_differences_are_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.claim({'seed': 0, 'protocol': {'name': '15-1'}}, {'method': 'MiB'})
    folder.claim({'seed': 0, 'protocol': {'name': '15-1'}}, {})
    with pytest.raises(ConfigError, match=r'(?s)different experiment.*seed: found 0, now 1.*Choose another --work-dir'):
        folder.claim({'seed': 1, 'protocol': {'name': '15-1'}}, {})


def test_folders_of_older_versions_are_given_newer_keys(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.claim({'seed': 0}, {'method': 'MiB'})
    folder.claim({'seed': 0, 'val_data': {'images': 3}, 'sizes': (1, 2)}, {})
    with pytest.raises(ConfigError, match=r"(?s)val_data: found {'images': 3}, now {'images': 2}"):
        folder.claim({'seed': 0, 'val_data': {'images': 2}, 'sizes': (1, 2)}, {})
    assert read_json(tmp_path / 'run.json')['method'] == 'MiB'


@pytest.mark.parametrize('content', ['[]', '[{"experiment": {}}]', '"text"', '{"experiment": []}', '{}', '3'])
def test_a_run_file_of_another_kind_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / 'run.json').write_text(content)
    with pytest.raises(ConfigError, match='run.json does not say which experiment'):
        RunFolder(tmp_path).claim({'seed': 0}, {})
    assert (tmp_path / 'run.json').read_text() == content


def test_steps_without_run_file_are_not_taken_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finish(folder, 0)
    with pytest.raises(ConfigError, match='no readable run.json'):
        folder.claim({'seed': 0}, {})


def _try_lock(path: str, queue: multiprocessing.Queue) -> None:
    try:
        with RunFolder(path).lock():
            queue.put('got it')
    except ConfigError as error:
        queue.put(str(error))


def test_two_runs_cannot_work_in_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    for expected in ('another run', 'got it'):
        if expected == 'another run':
            with RunFolder(tmp_path).lock():
                process = context.Process(target=_try_lock, args=(str(tmp_path), queue))
                process.start()
                process.join()
        else:
            process = context.Process(target=_try_lock, args=(str(tmp_path), queue))
            process.start()
            process.join()
        assert expected in queue.get(timeout=10)


def test_files_that_no_run_wrote_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / 'report.md').write_text('mine')
    (tmp_path / 'notes.txt').write_text('mine')
    folder = RunFolder(tmp_path)
    with pytest.raises(ConfigError, match=r'holds report\.md, which would be overwritten'):
        folder.claim({'seed': 0}, {})
    (tmp_path / 'report.md').unlink()
    folder.claim({'seed': 0}, {})
    (tmp_path / 'report.md').write_text('of the run')
    folder.claim({'seed': 0}, {})
