"""Methods that can extend a finished model."""

from __future__ import annotations

import pytest

import mmciss.register_all  # noqa: F401
from mmciss.errors import ConfigError
from mmciss.extend.methods import extension_method, unlabelled_value


@pytest.mark.parametrize(
    ('name', 'background', 'message'),
    [
        ('joint', True, '--method joint: it changes the protocol'),
        ('dkd', True, '--method dkd: it shapes the training of the first classes too.*finetuning.*lwf, mib'),
        ('ssul_m', False, '--method ssul_m: it shapes'),
        ('mib', False, '--method mib: it starts new classes from the background.*lwf_unbiased'),
        ('lwf_unbiased', True, '--method lwf_unbiased: it is for models without a background'),
        ('mibb', True, "--method: unknown method 'mibb'.*Did you mean 'mib'"),
    ],
)
def test_unfit_methods_are_refused(name: str, background: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        extension_method(name, background)


def test_label_of_open_pixels() -> None:
    assert unlabelled_value(extension_method('mib', True), True) == 0
    assert unlabelled_value(extension_method('lwf_unbiased', False), False) == 254
    assert unlabelled_value(extension_method('finetuning', False), False) == 255
