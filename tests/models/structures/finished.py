"""What a finished step leaves."""

from __future__ import annotations

from pathlib import Path

from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.utils.files import save_tensors


def finish(model: IncrementalSegmentor, folder: Path) -> dict[str, str]:
    """Writes the files that the next step starts from, and returns their paths by name."""
    paths = {name: str(folder / f'{name}.pth') for name in ('model', 'state')}
    meta = dict(dataset_meta=dict(classes=list(model.step.names), palette=[[0, 0, 0]] * model.step.num_seen))
    save_tensors(paths['model'], {'state_dict': model.plain_weights(), 'meta': meta})
    save_tensors(paths['state'], model.method_state())
    return paths
