"""MMSegmentation's own configs, one per family, made tiny and taken the whole way.

:func:`run` extends a model by a class (teacher, training, export, comparison) and runs the result
in plain MMSegmentation. ``tools/model_table.py`` does so for all and writes ``docs/models.md``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmseg
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from mmseg.models.decode_heads import cc_head, point_head, psa_head
from mmseg.registry import MODELS
from torch import nn
from yapf.yapflib import yapf_api

import mmciss.register_all
from mmciss.apis import extend
from mmciss.engine.model_config import plain_model
from mmciss.errors import ConfigError
from mmciss.models.classifiers.grown_parameters import EXTRA_ROWS, GROWN, growth_of
from mmciss.models.classifiers.probe import growing_layers
from mmciss.utils.blame import blaming
from mmciss.utils.environment import MMDET
from tests.extend.samples import write_images
from tests.models import mmcv_operations
from tests.models.mmpretrain_backbones import BACKBONES, TIMM, segmentor_on, segmentor_on_timm
from tests.models.tiny_heads import CrissCrossStub, PSAMaskStub, point_sample_stub
from tests.models.zoo_page import ADAPTER, NOT_HERE, REFUSED, WORKS, Row

CONFIGS = Path(mmseg.__file__).parent / '.mim' / 'configs'
MORE = (
    'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512.py',
    'setr/setr_vit-l_pup_8xb2-160k_ade20k-512x512.py',
    'setr/setr_vit-l_naive_8xb2-160k_ade20k-512x512.py',
    'twins/twins_pcpvt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512.py',
    'fastfcn/fastfcn_r50-d32_jpu_psp_4xb4-80k_ade20k-512x512.py',
)
"""Configs beside the one with the shortest name in each folder."""
LEFT_OUT = ('dsdl', '_base_')
"""Folders that hold no model of their own."""
NARROWED = re.compile(r'ResNet|VisionTransformer|BEiT|MAE|SVT|PCPVT|SwinTransformer|mmpretrain.ConvNeXt')
"""Backbones whose widths can be divided; others are run at full width."""
WIDTH = re.compile(r'(channels|embed_dims?|dims|num_feats)$')
OPERATIONS = {
    'CCHead': (cc_head, 'CrissCrossAttention', CrissCrossStub),
    'PSAHead': (psa_head, 'PSAMask', PSAMaskStub),
    'PointHead': (point_head, 'point_sample', point_sample_stub),
}
"""Operations of mmcv, with their stand-ins, by the heads that need them."""
SIDES = {'LRASPPHead': 416}
"""Heads that need larger images than :data:`SIDE`: LRASPPHead pools windows of 49 x 49 of a map at
stride 8."""
SIDE = 64


def zoo() -> dict[str, Path]:
    """Returns the configs by family; empty if MMSegmentation was installed without them."""
    found: dict[str, Path] = {}
    for folder in sorted(CONFIGS.iterdir()) if CONFIGS.is_dir() else []:
        files = sorted(
            (path for path in folder.glob('*.py') if 'levir' not in path.name),
            key=lambda path: (len(path.name), path.name),
        )
        if files and folder.name not in LEFT_OUT:
            found[folder.name] = files[0]
    found.update(
        {re.split('_[48]xb', Path(name).name)[0]: CONFIGS / name for name in MORE if (CONFIGS / name).is_file()}
    )
    return found


def cases() -> list[str]:
    """Returns the names of all rows: families of MMSegmentation, then backbones of mmpretrain and timm."""
    return [*zoo(), *(f'mmpretrain.{name}' for name in BACKBONES), *(f'timm.{name}' for name in TIMM)]


def config_of(name: str) -> Config:
    """Returns the config of a row, tiny."""
    if name.startswith('mmpretrain.'):
        return Config(segmentor_on(name.removeprefix('mmpretrain.'), SIDE))
    if name.startswith('timm.'):
        return Config(segmentor_on_timm(name.removeprefix('timm.'), SIDE))
    try:
        cfg = Config.fromfile(zoo()[name])
    except ImportError:  # a package is missing; what the config says about its head can be judged all the same
        cfg = Config.fromfile(zoo()[name], import_custom_modules=False)
    return shrink(cfg)


def shrink(cfg: Config) -> Config:
    """Makes a model tiny and its images small; what it consists of stays."""
    model = cfg.model
    model.pop('pretrained', None)
    backbone = model.get('backbone') or {}
    side = SIDES.get(_main_head(model).get('type'), SIDE)
    if NARROWED.match(str(backbone.get('type'))):
        _narrow(model)
        if str(backbone.type).startswith('ResNet'):
            backbone.update(base_channels=8, stem_channels=8)
        if str(backbone.type).endswith('ConvNeXt'):
            backbone.arch = dict(depths=[1, 1, 1, 1], channels=[16, 32, 64, 128])
        if 'img_size' in backbone:
            backbone.img_size = (side, side)
    if _main_head(model).get('type') == 'PSAHead':
        _main_head(model).mask_size = (SIDE // 8, SIDE // 8)
    model.test_cfg = dict(model.get('test_cfg') or {}, mode='whole')
    preprocessor = model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    preprocessor.update(size=(side, side))
    for key in ('size_divisor', 'test_cfg'):
        preprocessor.pop(key, None)
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    edges = [dict(type='GenerateEdge', edge_width=4)] if 'PIDHead' in str(model) else []
    kind = _dataset_type(cfg.train_dataloader.dataset)
    for split, extra in (('train', edges), ('test', [])):
        pipeline = [*load, *extra, dict(type='PackSegInputs')]
        cfg[f'{split}_dataloader'] = dict(batch_size=2, dataset=dict(type=kind, pipeline=pipeline))
    return cfg


def _dataset_type(dataset: dict) -> str:
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    return dataset['type']


def _main_head(model: dict) -> dict:
    head = model.get('decode_head') or {}
    return head[-1] if isinstance(head, list | tuple) else head


def _narrow(node: Any) -> None:
    """Divides every width of 32 and more by 8, in place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if WIDTH.search(key) and isinstance(value, int):
                node[key] = value // 8 if value >= 32 else value
            elif WIDTH.search(key) and _are_widths(value):
                node[key] = type(value)(v // 8 if v >= 32 else v for v in value)
            else:
                _narrow(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _narrow(value)


def _are_widths(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, int) for item in value)


@contextmanager
def stand_ins() -> Iterator[None]:
    """Offers stand-ins for operations that mmcv's plain wheel lacks, and leaves configs unformatted."""
    kept = [getattr(module, name) for module, name, _ in OPERATIONS.values()]
    for module, name, stand_in in OPERATIONS.values():
        setattr(module, name, getattr(module, name) or stand_in)
    # Formatting configs for people takes as long as all the rest.
    formatter, yapf_api.FormatCode = yapf_api.FormatCode, lambda text, **_: (text, True)
    try:
        yield
    finally:
        for (module, name, _), operation in zip(OPERATIONS.values(), kept, strict=True):
            setattr(module, name, operation)
        yapf_api.FormatCode = formatter


def run(name: str, folder: Path) -> Row:
    """Takes one model the whole way.

    Args:
        name: One of :func:`cases`.
        folder: An empty folder to work in.
    """
    cfg = config_of(name)
    backbone = str((cfg.model.get('backbone') or cfg.model.get('image_encoder') or {}).get('type'))
    head = str(_main_head(cfg.model).get('type'))
    with stand_ins(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter('ignore')
        torch.manual_seed(0)
        try:
            layers, method = _extend(cfg, folder)
        except ConfigError as error:
            return Row(name, backbone, head, '–', '–', *verdict(error))
    return Row(name, backbone, head, short_layers(layers), method, WORKS, _note(head, backbone))


def short_layers(layers: list[str]) -> str:
    """Writes names of layers, those of numbered auxiliary heads and of numbered layers as one."""
    names = dict.fromkeys(re.sub(r'(^auxiliary_head|\.fcs)\.\d+', r'\1.*', layer) for layer in layers)
    return ', '.join(f'`{name}`' for name in names)


def _note(head: str, backbone: str) -> str:
    notes = ['by an adapter'] if head in GROWN or head in EXTRA_ROWS else []
    if head in EXTRA_ROWS and mmcv_operations.are_stand_ins():
        notes.append('with an mmcv whose compiled operations were stand-ins that fail when called; on a CPU none is')
    if head in OPERATIONS and getattr(*OPERATIONS[head][:2]) is None:
        notes.append('with a stand-in for an operation that this mmcv lacks')
    if backbone == 'TIMMBackbone' and mmcv_operations.DECLARED:
        notes.append("beside a torchvision whose build did not fit torch's; its operations are never called")
    return ', '.join(notes)


def verdict(error: ConfigError) -> tuple[str, str]:
    """Returns the result and the reason of a refusal."""
    if 'Please install onedl-mmcv' in str(error):
        return NOT_HERE, 'needs an mmcv with compiled operations'
    if MMDET in str(error):
        return NOT_HERE, reason_of(error)
    if 'cannot be built' in str(error):
        return NOT_HERE, reason_of(error)
    return (ADAPTER if 'not as one row per class' in str(error) else REFUSED), reason_of(error)


def reason_of(error: Exception) -> str:
    """Returns what a refusal says, without file, key and the list of heads."""
    text = re.sub(r'^MODEL_CONFIG: \S+: ', '', ' '.join(str(error).split()))
    text = re.sub(r'^model(\.\w+(\[\d\])?)?: ', '', text)
    text = re.split(r'[.:;] ?Heads that|; is a package missing', text)[0]
    return text.replace('|', '/').rstrip('.')


def check_maps(model: nn.Module, side: int) -> None:
    """Refuses backbones that give scores or vectors: a decode head needs maps.

    Raises:
        ConfigError: With what the backbone gives.
    """
    with torch.no_grad():
        try:
            found = model.eval().backbone(torch.zeros(1, 3, side, side))
        except RuntimeError:  # some classifiers need larger images
            found = model.backbone(torch.zeros(1, 3, 4 * side, 4 * side))
    shapes = [tuple(item.shape) for item in found if item is not None]
    if any(len(shape) != 4 for shape in shapes[-1:]):
        raise ConfigError(f'the backbone gives {shapes[-1]} for an image, and no map')


def _listed(model: nn.Module) -> list[str]:
    """Returns what grows otherwise than by rows: layers or parameters."""
    found = [
        f'{path}.{name.removesuffix(".weight").removesuffix(".bias")}'
        for path, head in model.named_modules()
        for name, _ in head.named_parameters()
        if growth_of(head, name) is not None
    ]
    return list(dict.fromkeys(found))


def _extend(cfg: Config, folder: Path) -> tuple[list[str], str]:
    init_default_scope('mmseg')
    side = SIDES.get(_main_head(cfg.model).get('type'), SIDE)
    images, masks = write_images(folder / 'images', count=2, ids=(0, 1), side=side)
    config, checkpoint = folder / 'config.py', folder / 'weights.pth'
    cfg.dump(config)
    with blaming('a head cannot be built', MODELS):
        layers = growing_layers(cfg.model)
    with blaming('the model cannot be built', MODELS):
        model = MODELS.build(plain_model(cfg.model, cfg.get('data_preprocessor')))
    torch.save({'state_dict': model.state_dict()}, checkpoint)
    if str(cfg.model.get('backbone', {}).get('type')).startswith('mmpretrain.'):
        check_maps(model, side)
    layers += _listed(model)
    out = extend(
        config,
        checkpoint,
        images,
        masks,
        classes=['something new'],
        work_dir=folder / 'run',
        iters=1,
        batch_size=2,
        crop_size=side,
    )
    old = out.summary['num_old']
    assert 'mmciss' not in out.config.read_text(encoding='utf-8')
    model = init_model(str(out.config), str(out.checkpoint), device='cpu')
    result = inference_model(model, str(next(iter(sorted(images.iterdir())))))
    assert result.seg_logits.data.shape == (old + 1, side, side)
    assert result.seg_logits.data.isfinite().all()
    return layers, str(out.summary['settings']['method']['value'])
