"""The check of an installation."""

from __future__ import annotations

import pytest

from mmciss.apis import doctor


def test_a_sound_installation_passes_and_a_step_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('MMCISS_SHAPES_SMOKE', raising=False)
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(doctor.CHECKS), lines
    assert [line.split(':')[0].split(None, 1) for line in lines] == [['ok', name] for name in doctor.CHECKS]
    assert 'torch' in lines[0] and 'two steps learned' in lines[-1]
    assert not list(tmp_path.iterdir()), 'nothing is left in the current folder'


def test_what_is_broken_is_named_and_the_other_checks_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise ImportError('no module torch')

    monkeypatch.setattr(doctor, 'CHECKS', {'packages': broken, 'configs': doctor.configs})
    assert doctor.main([]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == 'FAILED  packages: ImportError: no module torch' and second.startswith('ok      configs: ')
