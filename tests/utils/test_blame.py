"""Errors raised inside libraries become errors that name the config key."""

from __future__ import annotations

import pytest
from mmengine.registry import Registry

from mmciss.errors import ConfigError
from mmciss.utils.blame import blaming, build

PARENT = Registry('parent')
THINGS = Registry('thing', parent=PARENT, scope='toy')


@THINGS.register_module()
class Kettle:
    """Takes one argument and checks it."""

    def __init__(self, litres: float) -> None:
        if litres <= 0:
            raise ValueError(f'litres must be positive, found {litres}')
        self.litres = litres


@PARENT.register_module()
class Teapot:
    """Registered in the parent alone."""


def test_what_is_right_is_built() -> None:
    assert build(THINGS, dict(type='Kettle'), 'kitchen.kettle', default_args=dict(litres=2)).litres == 2


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('Kettle', r"kitchen\.kettle: must be a dictionary with a type, found 'Kettle'"),
        (dict(litres=1), r'kitchen\.kettle: must be a dictionary with a type'),
        (dict(type='Ketle', litres=1), r"kitchen\.kettle: nothing is called 'Ketle'\. Did you mean 'Kettle'\?"),
        (dict(type='Teapott'), r"kitchen\.kettle: nothing is called 'Teapott'\. Did you mean 'Teapot'\?"),
        (dict(type='Kettle', litres=0), r'kitchen\.kettle: .*litres must be positive, found 0'),
        (dict(type='Kettle'), r'kitchen\.kettle: .*litres'),
        (dict(type='Kettle', liters=1), r'kitchen\.kettle: .*liters'),
    ],
)
def test_what_is_wrong_is_blamed_on_its_key(config: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        build(THINGS, config, 'kitchen.kettle')
    assert '\n' not in str(error.value)


def test_a_missing_key_is_called_that() -> None:
    with pytest.raises(ConfigError, match="^model: missing or unknown: 'depth'") as error, blaming('model'):
        {}['depth']
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize('error', [ConfigError('steps.later.lr: wrong'), FileNotFoundError('list.txt'), MemoryError()])
def test_errors_that_say_enough_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as found, blaming('model'):
        raise error
    assert found.value is error


def test_an_error_without_a_text_has_its_name() -> None:
    with pytest.raises(ConfigError, match='^model: AssertionError$'), blaming('model'):
        raise AssertionError
