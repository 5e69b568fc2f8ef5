"""What constructors take."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.registry import Registry

from mmciss.errors import ConfigError
from mmciss.utils.blame import accepted_arguments, check_component, check_names

SHELF = Registry('shelf')


class Parent:
    """Takes one argument."""

    def __init__(self, size: int = 1) -> None:
        self.size = size


@SHELF.register_module()
class OpenBox(Parent):
    """Hands what it does not know to its parent."""

    def __init__(self, colour: str = 'red', **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.colour = colour


@SHELF.register_module()
class ClosedBox(Parent):
    """Takes what it names."""

    def __init__(self, colour: str, *, lid: bool = True) -> None:
        super().__init__()
        self.colour, self.lid = colour, lid


def test_names_come_from_the_signature_and_through_kwargs_from_parents() -> None:
    assert accepted_arguments(OpenBox) == ({'colour', 'size'}, True)
    assert accepted_arguments(ClosedBox) == ({'colour', 'lid'}, False)
    assert accepted_arguments(check_names)[0] == {'found', 'allowed', 'key', 'takes_any'}
    assert accepted_arguments(dict)[1], 'what is written in C may take anything'


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='ClosdBox'), "box.type: nothing is called 'ClosdBox'. Did you mean 'ClosedBox'"),
        (dict(type='ClosedBox', color='x'), "box.color: unknown key. Allowed: colour. Did you mean 'colour'"),
        (dict(type='ClosedBox', lid=True), 'box.lid: unknown key'),
        (dict(type='OpenBox', color='x'), "box.color: unknown key. Did you mean 'colour'"),
        (dict(colour='x'), 'box: must be a dictionary with a type'),
        ('ClosedBox', 'box: must be a dictionary with a type'),
    ],
)
def test_components(config: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenBox, '__module__', 'mmengine.boxes')
    check_component(SHELF, dict(type='ClosedBox', colour='x'), 'box')
    check_component(SHELF, dict(type='OpenBox', anything=1), 'box')
    check_component(SHELF, dict(colour='x'), 'box', default='ClosedBox')
    with pytest.raises(ConfigError, match=message):
        check_component(SHELF, config, 'box', given=('lid',))


def test_a_class_of_the_user_that_takes_any_name_gets_any() -> None:
    check_component(SHELF, dict(type='OpenBox', color='x'), 'box')
