"""Building mmengine's runner such that a config that does not suit it is named."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.runner import Runner

from mmciss.errors import ConfigError, first_line


def make_runner(cfg: Config, name: str) -> Runner:
    """Builds mmengine's runner of a step.

    Raises:
        ConfigError: If the config does not suit it.
    """
    try:
        return Runner.from_cfg(cfg)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f'{name} cannot be set up: {type(error).__name__}: {first_line(error)}') from error
