"""Loading configs, the user's and those that come with mmciss, and looking into them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

import mmciss
from mmciss.errors import ConfigError, close_matches, first_line, unknown_name
from mmciss.utils.blame import blaming
from mmciss.utils.environment import MMDET
from mmciss.utils.text_files import read_text


def configs_folder() -> Path:
    """Returns the folder of mmciss' configs: ``configs`` of the checkout, or the copy inside the installed package."""
    package = Path(mmciss.__file__).resolve().parent
    for folder in (package.parent / 'configs', package / '.mim' / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'the configs of mmciss are missing: looked next to and inside {package}')


def method_names() -> list[str]:
    """Returns the names that ``--method`` accepts."""
    return sorted(path.stem for path in (configs_folder() / '_base_' / 'methods').glob('*.py'))


def load_method(name: str) -> Config:
    """Loads a method's config by name or path; relative paths are resolved as in :func:`load_config`.

    Raises:
        ConfigError: If there is no such method.
    """
    path = Path(name)
    if path.suffix == '.py' and not path.is_file():
        path = _among_ours(path)
    if path.suffix == '.py' and path.is_file():
        with blaming(f'--method {path}'):
            cfg = _read(path)
        if not isinstance(cfg.get('method'), dict):
            raise ConfigError(
                f"--method {path}: the file has no dictionary 'method'; write method = dict(name=..., ...)"
            )
        return cfg
    if name not in method_names():
        raise unknown_name('method', name, method_names(), '--method')
    return Config.fromfile(configs_folder() / '_base_' / 'methods' / f'{name}.py')


def _among_ours(path: Path) -> Path:
    """Returns a relative path, with or without ``configs/``, as a path among mmciss' configs."""
    parts = path.parts[1:] if path.parts and path.parts[0] == 'configs' else path.parts
    return configs_folder().joinpath(*parts) if parts and not path.is_absolute() else path


def _read(path: Path) -> Config:
    if path.suffix == '.py':
        read_text(path, 'config')
    try:
        return Config.fromfile(path)
    except ImportError as error:
        if 'mmdet' in str(error):
            raise ConfigError(f'config {path}: custom_imports: {MMDET}') from error
        if error.__cause__ is not None:  # mmengine's message lists the search path but not the reason
            raise ConfigError(
                f'config {path}: custom_imports: {first_line(root_cause(error))}. Put the folders of your own '
                f'modules on PYTHONPATH'
            ) from error
        raise


def merge_changes(cfg: Config, changes: Mapping[str, Any] | None) -> None:
    """Merges a method's or a step's own settings into a config, as mmengine merges ``--cfg-options``.

    What is None where changes have a dictionary makes room for it, with which mmengine would not merge it:
    MMSegmentation's schedules say ``clip_grad=None``.

    Args:
        cfg: The config, changed in place.
        changes: Nested settings; None for none.
    """
    if changes:
        _make_room(cfg, changes)
        cfg.merge_from_dict(dict(changes))


def _make_room(out: Any, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and key in out:
            if out[key] is None:
                out.pop(key)
            elif isinstance(out[key], Mapping):
                _make_room(out[key], value)


def root_cause(error: BaseException) -> BaseException:
    """Returns the first error of a chain."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def load_config(path: str | Path) -> Config:
    """Loads a config; a relative path that does not exist is looked up among mmciss' configs.

    Raises:
        ConfigError: If there is no such file.
    """
    path = Path(path)
    if path.is_file():
        with blaming(f'config {path}'):
            return _read(path)
    inside = _among_ours(path)
    if inside.is_file():
        return Config.fromfile(inside)
    names = [item.name for folder in {path.parent, inside.parent} if folder.is_dir() for item in folder.glob('*.py')]
    raise ConfigError(f'config: no file {path} (also not in {configs_folder()}).{close_matches(path.name, names)}')


def innermost_dataset(config: Mapping[str, Any], holding: str | None = None) -> Mapping[str, Any]:
    """Returns the config of the first data set inside a wrapped one, or of the outermost that holds a key."""
    while (holding is None or holding not in config) and ('dataset' in config or 'datasets' in config):
        config = config['dataset'] if 'dataset' in config else config['datasets'][0]
    return config


def dataset_configs(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configs of the data sets for training, validation and testing that a config has, by split."""
    loaders = {split: cfg.get(f'{split}_dataloader') or {} for split in ('train', 'val', 'test')}
    return {split: loader['dataset'] for split, loader in loaders.items() if loader.get('dataset') is not None}


def config_pipeline(cfg: Config, split: str) -> list[dict[str, Any]] | None:
    """Returns a config's pipeline for ``'train'`` or ``'test'``, also from inside wrapped data sets, or None."""
    datasets = dataset_configs(cfg)
    for name in ('train',) if split == 'train' else ('test', 'val'):
        pipeline = innermost_dataset(datasets.get(name, {}), 'pipeline').get('pipeline')
        if pipeline:
            return list(copy.deepcopy(pipeline))
    pipeline = cfg.get(f'{split}_pipeline')
    return list(copy.deepcopy(pipeline)) if pipeline else None


def dataset_name(config: Mapping[str, Any]) -> str:
    """Returns what a data set is called in titles: its class, or the folder of a plain ``BaseSegDataset``.

    Examples:
        >>> dataset_name(dict(type='BaseSegDataset', data_root='data/warehouse/'))
        'warehouse'
    """
    kind = str(config.get('type'))
    return Path(str(config.get('data_root') or '')).name or kind if kind == 'BaseSegDataset' else kind


def pipelines(dataset: dict[str, Any]) -> list[Any]:
    """Returns every pipeline inside a data set config."""
    found = [dataset['pipeline']] if 'pipeline' in dataset else []
    for inner in [dataset.get('dataset'), *(dataset.get('datasets') or [])]:
        if inner:
            found += pipelines(inner)
    return found


def model_name(model: dict[str, Any]) -> str:
    """Returns a short name such as ``ASPPHead + ResNetV1c-101``."""
    head = model['decode_head']
    head = head[-1] if isinstance(head, list | tuple) else head
    backbone = model.get('backbone') or model['image_encoder']
    depth = backbone.get('depth') or backbone.get('arch')
    return f'{head["type"]} + {backbone["type"]}' + (f'-{depth}' if isinstance(depth, int | str) else '')
