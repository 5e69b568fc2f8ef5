"""Settings of mmengine's ``CheckpointHook`` without which a step could not continue where it was interrupted."""

from __future__ import annotations

from mmengine.config import Config


def make_resumable(cfg: Config) -> None:
    """Lets a step write checkpoints between two updates of the weights, and keep two of them; changes the config.

    Gradients that are summed up so far are in no checkpoint, and on several processes each has its own: a run that
    goes on in the middle of an accumulation would lose them. So the interval is rounded up to whole accumulations.
    And mmengine deletes the oldest checkpoint before it writes the new one: with one alone, a run killed in between
    would start its step again.

    Args:
        cfg: The config of a step.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint')
    if not hook:
        return
    if hook.get('max_keep_ckpts') == 1:
        hook.max_keep_ckpts = 2
    count = cfg.optim_wrapper.get('accumulative_counts') or 1
    if not isinstance(count, int) or count <= 1:
        return
    for key in ('interval', 'save_begin'):
        if isinstance(hook.get(key), int) and hook[key] > 0:
            hook[key] = -(-hook[key] // count) * count
