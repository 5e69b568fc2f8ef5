"""When training checkpoints are written: between two updates of the weights."""
from __future__ import annotations

from mmengine.config import Config


def save_between_updates(cfg: Config) -> None:
    """Rounds the interval of checkpoints up to whole accumulations of gradients, in place.

    Gradients that are summed up so far are in no checkpoint, and on several processes each has its own: a run that
    goes on in the middle of an accumulation would lose them.

    Args:
        cfg: The config of a step.
    """
    count = cfg.optim_wrapper.get('accumulative_counts') or 1
    hook = (cfg.get('default_hooks') or {}).get('checkpoint')
    if not isinstance(count, int) or count <= 1 or not hook:
        return
    for key in ('interval', 'save_begin'):
        if (hook.get(key) or 0) > 0:
            hook[key] = -(-int(hook[key]) // count) * count
