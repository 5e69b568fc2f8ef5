"""Settings and runs shared by all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from types import SimpleNamespace

# One thread: for small tensors, several threads only compete for the cores.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('GOMP_SPINCOUNT', '0')

import pytest
from hypothesis import settings

# The default of property tests is a number of examples without a deadline, which a busy machine would miss.
settings.register_profile('mmciss', max_examples=50, deadline=None, print_blob=True)
settings.load_profile('mmciss')

if 'PYTEST_XDIST_WORKER' not in os.environ:
    # In a new environment the first import of yapf, which mmengine uses, writes a cache into the home folder; other
    # workers that import it at the same moment read half of it and crash.
    import yapf.yapflib.yapf_api  # noqa: F401


@pytest.fixture(scope='session', autouse=True)
def data_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps the data sets that tests draw out of the checkout."""
    folder = tmp_path_factory.mktemp('data')
    os.environ['MMCISS_SHAPES_SMOKE'] = str(folder / 'shapes_smoke')
    os.environ['MMCISS_CACHE'] = str(folder / 'cache')


@pytest.fixture(scope='session', autouse=True)
def quick_runs() -> None:
    """Skips two things that take half the time of tiny runs and that no test looks at.

    mmengine formats the whole config with yapf for every checkpoint, and collects garbage for every data set.
    """
    import mmengine.dataset.base_dataset as base_dataset
    import yapf.yapflib.yapf_api as yapf_api
    from mmengine.config import Config

    import mmciss.register_all

    formatted = []
    # mmengine imports it by this name whenever it prints a config.
    yapf_api.FormatCode = lambda text, **options: (formatted.append(text) or text, True)
    assert Config(dict(a=1)).pretty_text == formatted.pop(), 'mmengine no longer formats configs this way'
    yapf_api.FormatCode = lambda text, **options: (text, True)
    base_dataset.gc = SimpleNamespace(collect=lambda: 0)
    gc.collect()
    gc.freeze()


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the figures out of reports, which take a third of a tiny run."""
    import mmciss.evaluation.report as report

    monkeypatch.setattr(report, '_write_figures', lambda *arguments, **options: [])


@pytest.fixture(scope='session')
def finished_run(data_folders: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of the smoke config, never interrupted. Tests must not write into it."""
    import mmciss.register_all
    from mmciss.apis.train import train
    from tests.smoke import smoke_config

    folder = tmp_path_factory.mktemp('runs') / 'finished'
    train(smoke_config(folder))
    return folder
