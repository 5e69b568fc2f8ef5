"""Asking for what a pass over the data found."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmciss.errors import ConfigError
from mmciss.models.labelers.labeling import LabelBatch


def statistic(batch: LabelBatch, name: str, who: Any) -> Tensor:
    """Returns a statistic on the device of the images.

    Raises:
        ConfigError: If no pass of the method computes it.
    """
    if name not in batch.statistics:
        raise ConfigError(
            f'method.statistics: {type(who).__name__} needs {name!r}, found '
            f'{sorted(batch.statistics) or "none"}; add the pass that computes it'
        )
    return batch.statistics[name].to(batch.inputs.device)
