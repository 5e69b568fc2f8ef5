"""Whole extensions of tiny models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmciss.apis import extend
from mmciss.errors import ConfigError
from mmciss.evaluation.report import write_report
from mmciss.extend.data import ExtensionData
from mmciss.extend.extension import ExtensionExperiment
from mmciss.extend.old_model import read_old_model
from mmciss.extend.runner import Extension, load_plain
from mmciss.functional import Correlations, largest_window, solve_ridge
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.utils.files import write_json
from tests.extend.samples import OLD, SIDE, STUFF, data_config, write_images, write_model
from tests.interruption import resumed_at

TINY = dict(iters=2, batch_size=2, crop_size=16)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model with a background class."""
    return write_model(tmp_path_factory.mktemp('model'))


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Images with two new classes."""
    return write_images(tmp_path_factory.mktemp('images'), count=6)


@pytest.fixture(scope='module')
def extended(
    model: tuple[Path, Path], images: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Extension:
    """The model with two more classes. Tests must not write into its folder."""
    return extend(*model, *images, classes=['fork', 'pallet'], work_dir=tmp_path_factory.mktemp('out') / 'run', **TINY)


def checksum_of_names(model: tuple[Path, Path], images: Sequence[Any]) -> str:
    """Returns what versions before took for the checksum of the training data."""
    data = ExtensionData(images=images[0], masks=images[1])
    found = ExtensionExperiment.resolve(read_old_model(*model), ['fork', 'pallet'], data, 'elsewhere', TINY)
    return found.read.checksum(as_given=True)


def logits(config: Path) -> torch.Tensor:
    """Returns the logits of the model in a folder for a fixed image."""
    image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return load_plain(config.parent, 'cpu')(image, mode='tensor')


def test_everything_is_there(extended: Extension) -> None:
    folder = extended.config.parent
    assert extended.classes == (*OLD, 'fork', 'pallet')
    cfg = Config.fromfile(extended.config)
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 5
    assert 'mmciss' not in extended.config.read_text(encoding='utf-8')
    meta = torch.load(extended.checkpoint, weights_only=True)['meta']['dataset_meta']
    assert tuple(meta['classes']) == extended.classes and len({tuple(colour) for colour in meta['palette']}) == 5
    assert meta['palette'][:3] == [[0, 0, 0], [10, 0, 0], [20, 0, 0]], 'old colours stay'
    for name in ('classes', 'confusion', 'heatmap', 'curves', 'contact_sheet'):
        assert (folder / 'figures' / f'{name}.png').stat().st_size > 1000
    assert not list(folder.glob('step_1/iter_*.pth'))


def test_the_report_says_what_was_decided_and_found(extended: Extension) -> None:
    text = extended.report.read_text(encoding='utf-8')
    summary = json.loads(extended.report.with_name('extension.json').read_text(encoding='utf-8'))
    assert text.startswith('# Extended by fork, pallet') and 'Old classes keep their ids, 0 to 2' in text
    assert '**pallet** (new)' in text and '1 of the 6 new images' in text and 'forgetting is estimated' in text
    assert summary == json.loads(json.dumps(extended.summary)) and not summary['measured']
    assert summary['settings']['iters'] == {'value': 2, 'reason': 'as given'}
    assert any(line.startswith('Batch norms keep the statistics') for line in summary['notes'])
    assert summary['agreement'] is not None and summary['images'] == {'new': 1}
    assert [item['id'] for item in summary['classes'] if item['new']] == [3, 4]


def test_the_report_of_any_run_reads_an_extension(extended: Extension, tmp_path: Path) -> None:
    text = write_report(extended.config.parent, tmp_path).read_text(encoding='utf-8')
    assert text == extended.report.read_text(encoding='utf-8')
    report = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))
    assert report['run']['method'] == 'Anchor' and report['complete'] and report['sizes'] == [3, 2]
    assert report['iou'] == [[None] * 5, [*[None] * 3, *(item['after'] for item in extended.summary['classes'][3:])]], (
        'nobody labelled old classes'
    )
    with_background = report['summary']['exclude']['with_background']
    assert with_background['new'] == pytest.approx(extended.summary['new_after']) and with_background['all'] is None
    with np.load(extended.config.parent / 'step_1' / 'samples.npz') as after:
        with np.load(extended.config.parent / 'step_0' / 'samples.npz') as before:
            assert np.array_equal(before['labels'], after['labels']) and before['predictions'].shape == (1, 256, 256)
        assert set(np.unique(after['labels'])) == {3, 4, 255}, 'what is not labelled is white'


@pytest.mark.parametrize(('names', 'kind'), [(STUFF, 'fcn'), (OLD, 'segformer')])
def test_a_step_that_learns_nothing_keeps_the_old_logits(
    names: tuple[str, ...], kind: str, images: tuple[Path, Path], tmp_path: Path
) -> None:
    files = write_model(tmp_path / 'model', names, kind)
    found = extend(
        *files,
        *images,
        classes=['fork', 'pallet'],
        work_dir=tmp_path / 'run',
        lr=1e-12,
        method=None if names == STUFF else 'lwf',
        **{**TINY, 'crop_size': SIDE},
    )
    old = logits(found.config.parent / 'step_0' / 'model_config.py')
    torch.testing.assert_close(logits(found.config)[:, :3], old, rtol=1e-4, atol=1e-4)


def test_without_background_unlabelled_pixels_teach(images: tuple[Path, Path], tmp_path: Path) -> None:
    files = write_model(tmp_path / 'model', STUFF)
    found = extend(*files, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **TINY)
    tables = json.loads((tmp_path / 'run' / 'data' / 'train.json').read_text(encoding='utf-8'))['tables']
    assert tables == [{'0': 254, '1': 3, '2': 4}]
    assert found.summary['settings']['method']['value'] == 'lwf_unbiased'


def test_extended_twice(extended: Extension, tmp_path: Path) -> None:
    images = write_images(tmp_path / 'more', ids=(0, 1))
    old = extended.config.parent
    twice = extend(extended.config, extended.checkpoint, *images, classes=['crate'], work_dir=tmp_path / 'run', **TINY)
    assert twice.classes == (*OLD, 'fork', 'pallet', 'crate')
    assert twice.summary['settings']['optimizer']['value']['optimizer']['type'] == 'SGD', 'remembered'
    assert twice.summary['settings']['lr']['value'] == pytest.approx(0.01)
    first, second = (Config.fromfile(path / 'model_config.py') for path in (old, tmp_path / 'run'))
    assert first.extension.optim_wrapper == second.extension.optim_wrapper
    assert first.extension.max_iters == second.extension.max_iters == 8000
    assert second.train_pipeline[-1]['type'] == 'PackSegInputs'


def test_exemplars_and_old_validation(model: tuple[Path, Path], images: tuple[Path, Path], tmp_path: Path) -> None:
    stored = write_images(tmp_path / 'old', count=2)
    val = write_images(tmp_path / 'val', count=2, ids=(0, 3, 4))
    found = extend(
        *model,
        *images,
        classes=['fork', 'pallet'],
        work_dir=tmp_path / 'run',
        exemplar_images=stored[0],
        exemplar_masks=stored[1],
        old_val_config=data_config(tmp_path / 'old.py', *stored, OLD),
        val_images=val[0],
        val_masks=val[1],
        method='finetuning',
        **TINY,
    )
    assert found.summary['measured'] and found.summary['images'] == {'new': 2, 'old': 2}
    assert all(item['before'] is not None for item in found.summary['classes'][:3])
    manifest = json.loads((tmp_path / 'run' / 'data' / 'train.json').read_text(encoding='utf-8'))
    assert len(manifest['pairs']) == 8 and manifest['tables'] == [{'1': 3, '2': 4}, {}]


def test_exemplars_of_every_class_need_no_training(
    model: tuple[Path, Path], images: tuple[Path, Path], tmp_path: Path
) -> None:
    stored = write_images(tmp_path / 'old', count=10, side=2 * SIDE)  # seen whole, one by one
    data = dict(exemplar_images=stored[0], exemplar_masks=stored[1])
    found = extend(*model, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **data)
    settings = found.summary['settings']
    assert settings['method']['value'] == 'closed_form_fine' and settings['iters']['value'] == 0
    assert settings.keys() == {'method', 'iters'}, 'no rate, batch or crop of a training that there is not'
    pairs = json.loads((tmp_path / 'run' / 'data' / 'train.json').read_text(encoding='utf-8'))['pairs']
    assert [sum(pair[2] == source for pair in pairs) for source in (0, 1)] == [2 * 5, 2 * 10], '1 of 6 is held out'
    config = Config.fromfile(found.config)
    assert config.model.decode_head.type == 'HeadWithRandomExpansion' and config.model.decode_head.sizes == [3, 2]
    assert config.custom_imports.imports == ['mmciss.register_all']
    state = torch.load(found.checkpoint.with_name('state.pth'), weights_only=True)
    errors = state['statistics']['vote_errors']
    assert errors[0, 1] > 0 and config.model.decode_head.get('vote_window', 0) == largest_window(errors)
    torch.testing.assert_close(logits(found.config), logits(found.config.parent / 'step_1' / 'model_config.py'))
    before = torch.load(model[1], weights_only=True)['state_dict']
    after = torch.load(found.checkpoint, weights_only=True)['state_dict']
    assert all(torch.equal(after[name], before[name]) for name in before if 'conv_seg' not in name)
    again = extend(
        *model, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'again', crop_size=16, lr=1.0, **data
    )
    assert again.summary['settings']['iters']['reason'].endswith('; --lr and --crop-size: not read')
    assert torch.equal(logits(again.config), logits(found.config))
    own = {'train_dataloader.batch_size': 4}
    with pytest.raises(ConfigError, match='train_dataloader.batch_size: not read'):
        extend(*model, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'refused', **data, cfg_options=own)


@pytest.mark.parametrize('image_pool', (True, False), ids=('', 'as_before_image_pool'))
def test_a_model_that_was_solved_for_is_solved_for_again(
    image_pool: bool, model: tuple[Path, Path], images: tuple[Path, Path], tmp_path: Path
) -> None:
    stored = write_images(tmp_path / 'old', count=10)
    data = dict(exemplar_images=stored[0], exemplar_masks=stored[1])
    data |= {} if image_pool else dict(cfg_options={'method.structure.image_pool': False})
    once = extend(*model, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **data)
    more = write_images(tmp_path / 'more', ids=(0, 1))
    twice = extend(once.config, once.checkpoint, *more, classes=['crate'], work_dir=tmp_path / 'twice')
    assert twice.classes == (*OLD, 'fork', 'pallet', 'crate')
    for item in (once, twice):
        assert Config.fromfile(item.config).model.decode_head.get('image_pool', False) is image_pool
    assert twice.summary['settings']['method']['value'] == 'closed_form_fine'
    torch.testing.assert_close(logits(tmp_path / 'twice' / 'step_0' / 'x'), logits(once.config))
    first, second = (torch.load(item.checkpoint, weights_only=True)['state_dict'] for item in (once, twice))
    name = 'decode_head.conv_seg.projection'
    assert torch.equal(first[name], second[name])
    # The sums grow by those of the new images, and had the labels that give the old rows.
    known, grown = (
        torch.load(item.checkpoint.with_name('state.pth'), weights_only=True)['statistics']['autocorrelation']
        for item in (once, twice)
    )
    assert torch.linalg.eigvalsh(grown - known).min() > -1e-6 and grown.trace() > known.trace()
    left = torch.load(tmp_path / 'twice' / 'step_0' / 'state.pth', weights_only=True)['statistics']
    rows = torch.cat([first[f'decode_head.conv_seg.steps.{step}.weight'] for step in (0, 1)]).flatten(1).double()
    solved = solve_ridge(Correlations(left['autocorrelation'], left['cross_correlation']), 1.0)
    torch.testing.assert_close(solved, rows, rtol=1e-3, atol=1e-5)
    with pytest.raises(ConfigError, match='--method mib: it cannot go on with the layers of this model .*closed_form'):
        extend(once.config, once.checkpoint, *more, classes=['crate'], work_dir=tmp_path / 'mib', method='mib')
    state = once.checkpoint.with_name('state.pth')
    content = torch.load(state, weights_only=True)
    other = {**content, 'statistics': {name: 2 * item for name, item in content['statistics'].items()}}
    torch.save(other, state)
    with pytest.raises(ConfigError, match='state'):
        extend(once.config, once.checkpoint, *more, classes=['crate'], work_dir=tmp_path / 'twice', resume=True)
    state.unlink()
    with pytest.raises(ConfigError, match=r'left in state.pth, which is not beside it'):
        extend(once.config, once.checkpoint, *more, classes=['crate'], work_dir=tmp_path / 'without')


def test_half_of_every_batch_may_be_old_images(
    model: tuple[Path, Path], images: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = write_images(tmp_path / 'old', count=3)
    batches = []
    train_step = IncrementalSegmentor.train_step

    def noted(self: Any, data: Any, optim_wrapper: Any) -> Any:
        batches.append([Path(sample.img_path).parent for sample in data['data_samples']])
        return train_step(self, data, optim_wrapper)

    monkeypatch.setattr(IncrementalSegmentor, 'train_step', noted)
    data = dict(exemplar_images=stored[0], exemplar_masks=stored[1], method='replay', resume=True)
    options = dict(classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **dict(TINY, iters=3, batch_size=4))
    found = extend(*model, *images, **options, **data)
    assert [sum(folder == stored[0] for folder in batch) for batch in batches] == [2, 2, 2]
    plain = Config.fromfile(found.config)
    assert 'custom_imports' not in plain and 'mmciss' not in plain.pretty_text, 'plain MMSegmentation runs it'
    assert logits(found.config).shape[1] == 5
    one = dict(classes=['fork', 'pallet'], work_dir=tmp_path / 'one', **dict(TINY, batch_size=1))
    with pytest.raises(ConfigError, match='--method replay: half of every batch .* --batch-size must be 2 or more'):
        extend(*model, *images, **one, **data)
    for options_key, value in (('batch_size', 1), ('sampler.type', 'DefaultSampler')):
        changed = {f'train_dataloader.{options_key}': value}
        with pytest.raises(ConfigError, match='--method replay: half of every batch are old images.* found'):
            extend(*model, *images, **dict(options, work_dir=tmp_path / 'changed'), **data, cfg_options=changed)
    del data['method']
    with pytest.raises(ConfigError, match='method'):  # the same images drawn otherwise are another extension
        extend(*model, *images, **options, **data)


def test_exemplars_without_one_of_the_old_classes_are_not_enough(
    model: tuple[Path, Path], images: tuple[Path, Path], tmp_path: Path
) -> None:
    stored = write_images(tmp_path / 'old', count=10, ids=(0, 1))
    data = dict(exemplar_images=stored[0], exemplar_masks=stored[1])
    found = extend(*model, *images, classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **data, **TINY)
    assert found.summary['settings']['method']['value'] == 'anchor'


def test_a_done_extension_is_not_done_again(
    extended: Extension,
    model: tuple[Path, Path],
    images: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / 'run'
    shutil.copytree(extended.config.parent, folder)
    weights = (folder / 'model.pth').read_bytes()
    (folder / 'report.md').unlink()
    options = dict(classes=['fork', 'pallet'], work_dir=folder, **TINY)
    # As an older version left it: the results say nothing of tests.
    known = json.loads((folder / 'run.json').read_text(encoding='utf-8'))
    write_json(folder / 'run.json', {key: known[key] for key in ('experiment', 'classes')})
    for index, keys in enumerate((('step', 'model', 'sha256'), ('step', 'model', 'sha256', 'files', 'previous'))):
        path = folder / f'step_{index}' / 'result.json'
        result = json.loads(path.read_text(encoding='utf-8'))
        more = {'sizes': result['sizes'], 'classes': result['classes'], 'background': True}
        write_json(
            path, {**{key: result[key] for key in keys}, **more, **({'plain': True, 'seconds': 1} if index else {})}
        )
    found = extend(*model, *images, **options)
    assert found.report.read_text(encoding='utf-8').startswith('# Extended by fork, pallet')
    assert found.summary['sets'] == extended.summary['sets']
    assert 'All 2 steps of 2-2 are done' in (folder / 'run.log').read_text(encoding='utf-8')
    assert (folder / 'model.pth').read_bytes() == weights
    with pytest.raises(ConfigError, match=r'(?s)belongs to a different experiment.*seed: found 0, now 1'):
        extend(*model, *images, seed=1, **options)
    # The same files by other names.
    monkeypatch.chdir(folder)
    relative = [os.path.relpath(path) for path in images]
    assert extend(*model, *relative, **options).summary['sets'] == extended.summary['sets']
    # Older versions took names for data.
    known = json.loads((folder / 'run.json').read_text(encoding='utf-8'))
    known['experiment']['data'] = given = checksum_of_names(model, relative)
    assert given != checksum_of_names(model, images)
    write_json(folder / 'run.json', known)
    extend(*model, *relative, **options)
    with pytest.raises(ConfigError, match=r'(?s)belongs to a different experiment.*data: found'):
        extend(*model, *images, **options)


def test_interrupted_and_resumed(
    extended: Extension,
    model: tuple[Path, Path],
    images: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mmciss.engine.hooks.progress_hook import ProgressHook

    options = dict(classes=['fork', 'pallet'], work_dir=tmp_path / 'run', **TINY)

    def stop(self: ProgressHook, runner, batch_idx: int, **kwargs) -> None:
        if runner.iter == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressHook, 'after_train_iter', stop)
        with pytest.raises(KeyboardInterrupt):
            extend(*model, *images, **options)
    assert (tmp_path / 'run' / 'step_1' / 'iter_1.pth').is_file()
    with pytest.raises(ConfigError, match=r'holds an unfinished run \(1 of 2 steps done\). Add --resume'):
        extend(*model, *images, **options)
    found = extend(*model, *images, resume=True, **options)
    assert resumed_at(tmp_path / 'run' / 'step_1') == [1]
    ours, whole = (torch.load(item.checkpoint, weights_only=True)['state_dict'] for item in (found, extended))
    assert all(torch.equal(ours[name], whole[name]) for name in whole), 'as if nothing had happened'


def test_plain_mmsegmentation_uses_the_result_without_mmciss(
    extended: Extension, images: tuple[Path, Path], tmp_path: Path
) -> None:
    import mmseg

    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'test.py'
    if not tool.is_file():
        pytest.skip(f'MMSegmentation was installed without its tools ({tool})')
    code = f"""
import runpy, sys
sys.modules['mmciss'] = None
import torch
from mmseg.apis import MMSegInferencer, inference_model, init_model
config, checkpoint, image, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
assert model.dataset_meta['classes'][-1] == 'pallet', model.dataset_meta
result = inference_model(model, image)
torch.save(result.seg_logits.data, out)
found = MMSegInferencer(model=config, weights=checkpoint, device='cpu')(image, return_datasamples=True)
assert torch.equal(found.pred_sem_seg.data, result.pred_sem_seg.data)
sys.argv = ['test.py', config, checkpoint, '--work-dir', out + '_test']
runpy.run_path({str(tool)!r}, run_name='__main__')
"""
    image = next(iter(sorted(images[0].iterdir())))
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            code,
            str(extended.config),
            str(extended.checkpoint),
            str(image),
            str(tmp_path / 'logits.pth'),
        ],
        env=environment,
        cwd=tmp_path,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'pallet' in done.stdout and 'mIoU' in done.stdout, 'the held-out images are a test set'
    assert torch.load(tmp_path / 'logits.pth', weights_only=True).shape == (5, SIDE, SIDE)
