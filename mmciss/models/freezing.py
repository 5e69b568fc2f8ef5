"""What does not train: parameters frozen by name, norm and dropout layers in evaluation mode."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from torch import nn

from mmciss.errors import ConfigError, close_matches, unknown_name
from mmciss.models.classifiers.growable import growable_layers
from mmciss.utils.private_api import DROPOUTS, NORMS

KEY = 'method.freeze'
NORM_POLICIES = ('train', 'eval', 'eval_affine_frozen')
DROPOUT_POLICIES = ('train', 'eval')
NormPolicy = str | dict[str, str]


def freeze(
    module: nn.Module,
    patterns: Sequence[str] = (),
    trainable: Sequence[str] = (),
    norm: NormPolicy = 'train',
    dropout: str = 'train',
    norm_momentum: dict[str, float] | None = None,
) -> list[str]:
    """Freezes parameters by name, slows running statistics down, and sets the mode of norm and dropout layers.

    Call it before the model is wrapped for distributed training. The modes do not survive ``module.train()``, so
    :func:`apply_modes` must follow it.

    Args:
        module: The model.
        patterns: Shell patterns of parameter names to freeze, for example ``'backbone.*'``. A growable layer's
            newest group is also called ``steps.new`` and all other rows ``steps.old``, so that ``'*.steps.old.*'``
            means the old classes at every step, and nothing if there are none. Rows of future classes are
            ``future``; those of a background that has layers of its own are ``background``.
        trainable: Patterns of names that stay trainable although ``patterns`` fits them.
        norm: ``'train'``; ``'eval'``: batch norms use and keep their running statistics; ``'eval_affine_frozen'``:
            their weight and bias are frozen too. A dictionary gives one policy per pattern of module names; the
            first that fits counts.
        dropout: ``'train'`` or ``'eval'`` (drop path too).
        norm_momentum: Share of a batch in the running statistics of batch norms, by patterns of module names; the
            first that fits counts. After n batches ``(1 - momentum) ** n`` of the old statistics is left. Parts
            without batch norms are not affected.

    Returns:
        Names of the frozen parameters.

    Raises:
        ConfigError: If a pattern fits nothing or a policy is unknown.

    Examples:
        >>> freeze(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), ['0.*'])
        ['0.weight', '0.bias']
    """
    names = _parameter_names(module)
    _check_patterns(patterns, names, f'{KEY}.patterns')
    _check_patterns(trainable, names, f'{KEY}.trainable')
    policies = _norm_policies(module, norm)
    if dropout not in DROPOUT_POLICIES:
        raise unknown_name('policy', dropout, DROPOUT_POLICIES, f'{KEY}.dropout')
    _set_momentum(module, norm_momentum or {})
    chosen = {name for name, aliases in names.items() if _fits(aliases, patterns) and not _fits(aliases, trainable)}
    for name, policy in policies.items():
        if policy == 'eval_affine_frozen':
            own = [f'{name}.{leaf}' for leaf, _ in module.get_submodule(name).named_parameters(recurse=False)]
            chosen.update(leaf for leaf in own if not _fits(names.get(leaf, (leaf,)), trainable))
    frozen = []
    for name, parameter in module.named_parameters():
        if name in chosen:
            parameter.requires_grad_(False)
            frozen.append(name)
    apply_modes(module, norm, dropout)
    return frozen


def apply_modes(module: nn.Module, norm: NormPolicy = 'train', dropout: str = 'train') -> None:
    """Puts norm and dropout layers into evaluation mode; call it after each ``module.train()``."""
    for name, policy in _norm_policies(module, norm).items():
        if policy != 'train':
            module.get_submodule(name).eval()
    if dropout == 'eval':
        for layer in module.modules():
            if is_dropout(layer):
                layer.eval()


def is_dropout(layer: nn.Module) -> bool:
    """Whether a layer is dropout or drop path, which several packages define for themselves."""
    return isinstance(layer, DROPOUTS) or type(layer).__name__ == 'DropPath'


def drops(layer: nn.Module) -> bool:
    """Whether a layer is dropout or drop path at a rate above 0."""
    return is_dropout(layer) and getattr(layer, 'p', getattr(layer, 'drop_prob', None)) != 0


def _set_momentum(module: nn.Module, momenta: dict[str, float]) -> None:
    key = f'{KEY}.norm_momentum'
    if not isinstance(momenta, dict):
        raise ConfigError(f"{key} must be a dictionary such as dict({{'backbone.*': 0.01}}), found {momenta!r}")
    for pattern, value in momenta.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f'{key}[{pattern!r}] must lie between 0 and 1, found {value!r}')
    _check_patterns(momenta, {name: (name,) for name, _ in module.named_modules() if name}, key)
    for name, layer in module.named_modules():
        if isinstance(layer, NORMS):
            layer.momentum = next(
                (value for pattern, value in momenta.items() if fnmatchcase(name, pattern)), layer.momentum
            )


def _norm_policies(module: nn.Module, norm: NormPolicy) -> dict[str, str]:
    rules = norm if isinstance(norm, dict) else {'*': norm}
    for policy in rules.values():
        if policy not in NORM_POLICIES:
            raise unknown_name('policy', policy, NORM_POLICIES, f'{KEY}.norm')
    layers = [name for name, layer in module.named_modules() if isinstance(layer, NORMS)]
    if isinstance(norm, dict):
        _check_patterns(norm, {name: (name,) for name in layers}, f'{KEY}.norm')
    policies = {}
    for name in layers:
        policies[name] = next((policy for pattern, policy in rules.items() if fnmatchcase(name, pattern)), 'train')
    return policies


def _parameter_names(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """Returns each parameter's name, together with its name by age (old or new) if it belongs to a step."""
    names: dict[str, tuple[str, ...]] = {name: (name,) for name, _ in module.named_parameters()}
    for path, layer in growable_layers(module).items():
        prefix = f'{path}.' if path else ''
        newest = max(index for index, size in enumerate(layer.sizes) if size)
        for index in range(len(layer.sizes)):
            age = 'new' if index == newest else 'old'
            for leaf, _ in layer.steps[index].named_parameters():
                name = f'{prefix}steps.{index}.{leaf}'
                names[name] = (name, f'{prefix}steps.{age}.{leaf}')
        for part in ('background', 'rest'):  # as old as the classes of the first step
            for leaf, _ in getattr(layer, part).named_parameters() if getattr(layer, part) is not None else ():
                name = f'{prefix}{part}.{leaf}'
                names[name] = (name, f'{prefix}steps.{"old" if newest else "new"}.{leaf}')
    return names


def _absent_rows(names: dict[str, tuple[str, ...]]) -> list[str]:
    """Returns the names that rows of old classes, of future classes and of a separate background would have.

    A step of new domains has no old rows and the last step no future ones, yet a method names them for all steps and
    heads.
    """
    return [
        alias.replace('steps.new.', age)
        for aliases in names.values()
        for alias in aliases[1:]
        for age in ('steps.old.', 'future.', 'background.')
    ]


def _fits(aliases: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(alias, pattern) for alias in aliases for pattern in patterns)


def _check_patterns(patterns: Collection[str], names: dict[str, tuple[str, ...]], key: str) -> None:
    if isinstance(patterns, str):
        raise ConfigError(f'{key} must be a list of patterns, found the string {patterns!r}')
    for pattern in patterns:
        if not any(_fits(aliases, (pattern,)) for aliases in [*names.values(), _absent_rows(names)]):
            candidates = list(names) + sorted({name.rpartition('.')[0] + '.*' for name in names})
            raise ConfigError(
                f'{key}: the pattern {pattern!r} fits nothing; names look like '
                f'{", ".join(list(names)[:3]) or "(there are none)"}.'
                f'{close_matches(pattern, candidates)}'
            )
