"""The config key ``method.memory``."""

from __future__ import annotations

import pytest

from mmciss.datasets.replay_options import ReplayOptions
from mmciss.errors import ConfigError


def test_a_method_without_memory_has_no_options() -> None:
    assert ReplayOptions.from_method(None) is None
    assert ReplayOptions.from_method(dict(name='MiB', memory=None)) is None
    options = ReplayOptions.from_method(dict(memory=dict(size=5, mode='batch')))
    assert options == ReplayOptions(5, 'class_balanced', 'batch', 'current')


@pytest.mark.parametrize(
    ('memory', 'message'),
    [
        (dict(), r'method.memory.size is missing'),
        (dict(size=0), r'method.memory.size: must be a positive number of images, found 0'),
        (dict(size=True), r'method.memory.size: must be'),
        (dict(size=2.5), r'method.memory.size: must be .* found 2.5'),
        (dict(size=5, candidates='guesses'), r"method.memory.candidates.*'guesses'"),
        (
            dict(size=5, candidates='crops', labels='full'),
            r"method.memory.candidates: 'crops'.*allowed with it: 'images'",
        ),
        (dict(size=5, selection='best'), r"method.memory.selection.*'best'"),
        (dict(size=5, mode='concatenate'), r"method.memory.mode.*'concatenate'.*concat"),
        (dict(size=5, labels='all'), r"method.memory.labels.*'all'"),
        (dict(size=5, label='full'), r"method.memory.label: unknown option 'label'.*labels"),
    ],
)
def test_wrong_options_name_the_key(memory: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ReplayOptions.from_method(dict(memory=memory))


def test_a_memory_larger_than_the_data_is_refused() -> None:
    ReplayOptions(40).check([40, 3])
    with pytest.raises(ConfigError, match=r'memory.size: 41, but the base step has only 40 images; allowed: 1 to 40'):
        ReplayOptions(41).check([40, 100])
