"""Which methods can extend a model that somebody else trained."""

from __future__ import annotations

from mmengine.config import Config

from mmciss.errors import ConfigError
from mmciss.models.labelers.teacher_labeler import UNLABELLED
from mmciss.protocols.labels import IGNORE
from mmciss.registry import INITIALIZERS, LABELERS
from mmciss.utils.configs import load_method, method_names


def extension_method(name: str, background: bool) -> dict:
    """Loads a method and refuses one that does not fit, by what it fills and never by its name.

    Args:
        name: A name out of ``configs/_base_/methods``, or a path.
        background: Whether the model has a background class.

    Raises:
        ConfigError: Saying why, and which methods fit.
    """
    config = load_method(name)
    reason = unfit_because(config, background)
    if reason:
        fitting = [item for item in method_names() if not unfit_because(load_method(item), background)]
        raise ConfigError(f'--method {name}: {reason}. Methods that can extend this model: {", ".join(fitting)}.')
    return config.method.to_dict()


def unfit_because(config: Config, background: bool) -> str | None:
    """Returns why a method cannot extend a finished model, or None if it can."""
    method = config.method
    if config.get('protocol'):
        return 'it changes the protocol (joint training needs all data)'
    if method.get('base'):
        return 'it shapes the training of the first classes too, which is over'
    if method.get('memory'):
        return 'it keeps images of earlier steps; give them with --exemplar-images and --exemplar-masks'
    initializer = method.get('initializer')
    if not background and initializer and getattr(INITIALIZERS.get(initializer['type']), 'needs_background', False):
        return 'it starts new classes from the background, which this model does not have'
    if background and labels_unlabelled(method):
        return 'it is for models without a background class'
    return None


def labels_unlabelled(method: dict) -> bool:
    """Whether a method's labeler knows what to do with pixels that show any class but the new ones."""
    labeler = method.get('labeler')
    return bool(labeler) and bool(getattr(LABELERS.get(labeler['type']), 'labels_unlabelled', False))


def unlabelled_value(method: dict, background: bool) -> int:
    """Returns the training label of pixels that no new class is on.

    Background, where there is one; else a label for the method's labeler; else they are ignored.
    """
    if background:
        return 0
    return UNLABELLED if labels_unlabelled(method) else IGNORE
