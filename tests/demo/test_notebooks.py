"""The notebooks of demo/ run from beginning to end."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from mmengine.config import Config
from nbclient import NotebookClient

from tests.paths import ROOT


@pytest.mark.slow
def test_extend_shapes(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / 'demo' / 'extend_shapes.ipynb', as_version=4)
    environment = {
        **os.environ,
        'MMCISS_DEMO_FAST': '1',
        'PYTHONPATH': str(ROOT),
        'OMP_NUM_THREADS': '1',
        'IPYTHONDIR': str(tmp_path / 'ipython'),
        'MPLCONFIGDIR': str(tmp_path / 'matplotlib'),
    }
    client = NotebookClient(notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}})
    client.execute(env=environment)
    outputs = [output for cell in notebook.cells if cell.cell_type == 'code' for output in cell.outputs]
    assert not [output.text for output in outputs if output.get('name') == 'stderr']
    assert sum('image/png' in output.get('data', {}) for output in outputs) == 2
    tables = [output.data['text/markdown'] for output in outputs if 'text/markdown' in output.get('data', {})]
    assert len(tables) == 1 and 'new (2)' in tables[0] and 'Judged on' in tables[0]
    cfg = Config.fromfile(tmp_path / 'work_dirs' / 'demo' / 'extended' / 'model_config.py')
    assert cfg.model.decode_head.num_classes == 18


@pytest.mark.parametrize('path', sorted((ROOT / 'demo').glob('*.ipynb')), ids=lambda path: path.name)
def test_the_outputs_shown_are_of_one_complete_run(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == 'code']
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == 'error' for cell in cells for output in cell.outputs)
    text = path.read_text(encoding='utf-8')
    assert '/home/' not in text and '/root/' not in text and str(ROOT) not in text
