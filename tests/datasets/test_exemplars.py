"""The file of stored images."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmciss.datasets.exemplars import Exemplar, Memory
from mmciss.errors import ConfigError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    memory = Memory(2, (Exemplar('a.jpg', 0, (3, 1)), Exemplar('b.jpg', 2)), 'key')
    memory.save(tmp_path / 'memory.json')
    assert Memory.load(tmp_path / 'memory.json') == memory
    assert memory.exemplars[0].classes == (1, 3)


@pytest.mark.parametrize('content', [None, '', '{"step": 0}', '{"step": 0, "key": "", "exemplars": [{"no": 1}]}', '[]'])
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / 'memory.json'
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r'method.memory: .*memory.json is missing or no list'):
        Memory.load(path)
