"""A random layer before solved rows: trained without it, solved, carried over, exported, refused."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import init_model

import mmciss.register_all
from mmciss.engine.runner.export import plain_config
from mmciss.errors import ConfigError
from mmciss.functional import Correlations, solve_ridge, window_vote
from mmciss.functional.window_vote import WINDOWS
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.structures import RandomExpansion
from mmciss.models.structures.expanded_rows import ExpandedRows
from mmciss.models.taps import FeatureTap
from mmciss.models.teacher import build_teacher
from tests.models.structures.finished import finish
from tests.models.tiny import BASE, LATER, batch, segmentor_config

EXPANSION = dict(type='RandomExpansion', width=24, gamma=2.0)


def model_of(step: Any, previous: dict | None = None, **options: Any) -> IncrementalSegmentor:
    torch.manual_seed(step.index)
    options = dict(structure=EXPANSION) | options
    model = IncrementalSegmentor(segmentor_config(step.num_seen), step, previous=previous, **options)
    model.init_weights()
    return model.train()


def rows_of(model: IncrementalSegmentor) -> ExpandedRows:
    return model.segmentor.decode_head.conv_seg


def solve(model: IncrementalSegmentor, seed: int = 0, **more: torch.Tensor) -> torch.Tensor:
    """Ends a step with random sums, and returns the rows that they have."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(50, 24, generator=generator, dtype=torch.float64)
    cross = torch.rand(model.step.num_seen, 24, generator=generator, dtype=torch.float64)
    model.context.statistics = {'autocorrelation': features.T @ features, 'cross_correlation': cross, **more}
    assert model.structure is not None
    model.structure.end(model.context)
    return solve_ridge(Correlations(features.T @ features, cross), gamma=2.0)


def test_base_step_trains_an_ordinary_classifier_until_rows_are_solved_for() -> None:
    model = model_of(BASE)
    layer, x = rows_of(model), torch.randn(2, 8, 5, 5)
    assert layer.trained is not None
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.trained.weight, layer.trained.bias))
    inputs, samples = batch(channels=3)
    model.loss(inputs, samples)['decode.loss_ce'].backward()
    learning = {name for name, item in layer.named_parameters() if item.grad is not None}
    assert learning == {'trained.weight', 'trained.bias'}

    rows = solve(model).float()
    features = F.relu(torch.einsum('ed,ndhw->nehw', layer.projection.flatten(1), x))
    torch.testing.assert_close(layer(x), torch.einsum('ce,nehw->nchw', rows, features), rtol=1e-4, atol=1e-5)
    assert not any('trained' in name for name in model.plain_weights())


def test_scores_are_those_of_the_upsampled_embedding() -> None:
    """And not the upsampled scores of the embedding."""
    model = model_of(BASE, structure=dict(EXPANSION, upsample=2))
    layer, x = rows_of(model), torch.randn(2, 8, 5, 5)
    assert layer.trained is not None and layer(x).shape == (2, 3, 5, 5), 'an ordinary classifier is trained'
    rows = solve(model).float()
    finer = F.interpolate(x, (10, 10), mode='bilinear')
    features = F.relu(torch.einsum('ed,ndhw->nehw', layer.projection.flatten(1), finer))
    torch.testing.assert_close(layer(x), torch.einsum('ce,nehw->nchw', rows, features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('level', 'beside'), [(-2, [(-2, 16)]), ([-5, -2, -1], [(-2, 16), (-1, 32)]), ([3, 0], [(3, 32), (0, 4)])]
)
def test_maps_before_the_head_join_the_embedding(
    level: int | list[int], beside: list[tuple[int, int]], tmp_path: Path
) -> None:
    """Of every batch anew, in copies too, and in a teacher."""
    structure = dict(EXPANSION, level=level)
    model = model_of(BASE, structure=structure)
    rows = solve(model).float()
    layer = rows_of(model.eval())
    assert layer.beside == tuple(beside)
    assert layer.projection.shape == (24, 8 + sum(channels for _, channels in beside), 1, 1)
    taken = copy.deepcopy(model)
    teacher = build_teacher(model_of(LATER, finish(model, tmp_path), structure=structure), 'cpu')
    for side in (32, 48):
        inputs = torch.randn(2, 3, side, side)
        found = model(inputs)
        with FeatureTap(model.segmentor, ['decode_head.conv_seg:input']) as tap:
            maps = model.segmentor.extract_feat(inputs)
            model.segmentor.decode_head.forward(maps)
        embedding = tap.records['decode_head.conv_seg:input']
        resized = [F.interpolate(maps[index], embedding.shape[-2:], mode='bilinear') for index, _ in beside]
        joined = torch.cat([embedding, *resized], 1)
        features = F.relu(torch.einsum('ed,ndhw->nehw', layer.projection.flatten(1), joined))
        torch.testing.assert_close(found, torch.einsum('ce,nehw->nchw', rows, features), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(taken(inputs), found)
        torch.testing.assert_close(teacher(inputs).logits, found)


def test_the_mean_of_the_image_joins_the_embedding() -> None:
    """Of each image its own; in the mirror image every site has the features that it had."""
    model = model_of(BASE, structure=dict(EXPANSION, upsample=2, level=-1, image_pool=True))
    layer = rows_of(model)
    assert layer.projection.shape == (24, 8 + 32 + 8, 1, 1)
    rows = solve(model).float()
    x, beside = torch.randn(2, 8, 4, 4), torch.randn(2, 32, 2, 2)
    layer.maps = [beside]
    mean = torch.stack([x[0].flatten(1).mean(1), x[1].flatten(1).mean(1)])
    whole = mean[..., None, None].expand(2, 8, 8, 8)
    finer = [
        F.interpolate(item, (8, 8), mode='bilinear') for item in (x, F.interpolate(beside, (4, 4), mode='bilinear'))
    ]
    features = F.relu(torch.einsum('ed,ndhw->nehw', layer.projection.flatten(1), torch.cat([*finer, whole], 1)))
    torch.testing.assert_close(layer(x), torch.einsum('ce,nehw->nchw', rows, features), rtol=1e-4, atol=1e-5)
    layer.maps = [beside.flip(-1)]
    torch.testing.assert_close(layer.expand(x.flip(-1)), features.flip(-1), rtol=1e-4, atol=1e-5)


def test_neighbouring_sites_vote_on_their_class(tmp_path: Path) -> None:
    """In the model, in its teacher, and before the rows of new classes are known; not without a background class."""
    structure = dict(EXPANSION, vote_window=3)
    voting, alone = model_of(BASE, structure=structure), model_of(BASE)
    alone.load_state_dict(voting.state_dict())
    for model in (voting, alone):
        solve(model)
    x = torch.randn(2, 8, 5, 5)
    expected = window_vote(rows_of(alone)(x), 3)
    assert not torch.equal(expected.argmax(1), rows_of(alone)(x).argmax(1))
    torch.testing.assert_close(rows_of(voting)(x), expected)
    later = model_of(LATER, finish(voting, tmp_path), structure=structure)
    torch.testing.assert_close(rows_of(later)(x)[:, :3], expected)
    assert not rows_of(later)(x)[:, 3:].any()
    inputs = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(build_teacher(later, 'cpu')(inputs).logits, voting.eval()(inputs))
    things = dataclasses.replace(BASE, background=False, new=(*BASE.new, max(BASE.new) + 1))
    assert rows_of(IncrementalSegmentor(segmentor_config(3), things, structure=structure)).vote_window == 0


def test_a_class_without_a_site_does_not_end_the_vote() -> None:
    """Its row is zero; and before rows are solved for or loaded, there is nothing to vote on."""
    layer = ExpandedRows(8, (4,), width=24, vote_window=3)
    x = torch.randn(2, 8, 5, 5)
    assert not layer(x).any()
    rows = torch.rand(4, 24)
    rows[2] = 0
    layer.set_rows(rows)
    alone = ExpandedRows(8, (4,), width=24)
    alone.set_rows(rows)
    torch.testing.assert_close(layer(x), window_vote(alone(x), 3))
    assert not torch.equal(layer(x)[:, 3], alone(x)[:, 3]), 'the class after it votes, too'


@pytest.mark.parametrize(('wrong', 'window'), [(0.0, WINDOWS[0]), (20.0, 0)])
def test_labels_of_old_images_say_whether_sites_vote(wrong: float, window: int, tmp_path: Path) -> None:
    previous = finish(model_of(BASE, structure=None), tmp_path)
    structure = dict(EXPANSION, reveal_hidden=False, vote_window='labels')
    model = model_of(LATER, dict(model=previous['model'], state=None), structure=structure)
    assert 'statistics.vote_errors' in model.structure.needs and not rows_of(model).vote_window
    with pytest.raises(ConfigError, match='vote_errors'):
        solve(model)
    solve(model, vote_errors=torch.tensor([[wrong, 1000.0]] * len(WINDOWS)), voting_classes=torch.tensor(2))
    assert rows_of(model).vote_window == window
    config: dict[str, Any] = dict(decode_head=dict(segmentor_config(5)['decode_head']))
    model.structure.export_config(model.segmentor, config)
    assert config['decode_head'].get('vote_window', 0) == window


def test_the_chosen_window_goes_with_the_weights(tmp_path: Path) -> None:
    """To the next step, which sees no old class and keeps it, to a teacher, and to a test of the weights alone."""
    structure = dict(EXPANSION, vote_window='labels')
    base = model_of(BASE, structure=structure)
    errors = torch.tensor([[20.0, 1000.0], [15.0, 1000.0], [4.0, 1000.0], [1.0, 1000.0]])
    solve(base, vote_errors=errors, voting_classes=torch.tensor(2))
    assert rows_of(base).vote_window == 5
    previous = finish(base, tmp_path)
    later = model_of(LATER, previous, structure=structure)
    assert rows_of(later).vote_window == 5
    inputs = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(build_teacher(later, 'cpu')(inputs).logits, base.eval()(inputs))
    solve(later, 1, vote_errors=torch.zeros(len(WINDOWS), 2), voting_classes=torch.tensor(0))
    assert rows_of(later).vote_window == 5, 'nothing new is known'
    solve(later, 1, vote_errors=errors, voting_classes=torch.tensor(2))
    assert rows_of(later).vote_window == 3, 'beside a class lie three others now, where one was seen'
    tested = model_of(LATER, structure=structure)
    tested.load_state_dict(later.state_dict())
    assert rows_of(tested).vote_window == 3

    weights = torch.load(previous['model'], weights_only=True)
    fixed = model_of(BASE, structure=dict(EXPANSION, vote_window=0), checkpoint=previous['model'])
    assert rows_of(fixed).vote_window == 0, 'a number in the config counts'
    del weights['state_dict']['decode_head.conv_seg.window']
    torch.save(weights, tmp_path / 'before.pth')
    assert rows_of(model_of(BASE, structure=structure, checkpoint=tmp_path / 'before.pth')).vote_window == 0


def single_map_config(num_classes: int) -> dict[str, Any]:
    """Returns a network whose head gets one map, as that of a plain vision transformer does."""
    config = segmentor_config(num_classes)
    config['backbone']['out_indices'] = (3,)
    config['decode_head'].update(in_index=0)
    config.pop('auxiliary_head')
    return config


@pytest.mark.parametrize(
    ('level', 'beside'), [(-2, ()), (3, ()), (-1, ((-1, 32),)), (0, ((0, 32),)), ([-2, -1], ((-1, 32),))]
)
def test_a_single_map_has_none_before_it(level: int | list[int], beside: tuple[tuple[int, int], ...]) -> None:
    model = IncrementalSegmentor(single_map_config(3), BASE, structure=dict(EXPANSION, upsample=2, level=level))
    model.init_weights()
    layer = rows_of(model)
    assert layer.beside == beside and layer.projection.shape[1] == 8 + sum(channels for _, channels in beside)
    solve(model)
    assert model.eval()(torch.randn(1, 3, 32, 32)).shape[:2] == (1, 3)


def test_later_steps_start_from_the_solved_rows_and_solve_for_all(tmp_path: Path) -> None:
    base = model_of(BASE)
    expected = solve(base).float()
    previous = finish(base, tmp_path)
    later = model_of(LATER, previous)
    layer = rows_of(later)
    assert layer.trained is None and torch.equal(layer.projection, rows_of(base).projection)
    torch.testing.assert_close(layer.weight.flatten(1)[:3], expected)
    assert not layer.weight[3:].any()
    inputs = torch.randn(2, 3, 32, 32)
    teacher = build_teacher(later, 'cpu')(inputs)
    torch.testing.assert_close(teacher.logits, later.eval()(inputs)[:, :3])
    torch.testing.assert_close(solve(later, 1).float(), layer.weight.flatten(1))


@pytest.mark.parametrize(
    'options',
    [dict(), dict(upsample=2, level=[-2, -1], image_pool=True, vote_window=3), dict(vote_window='labels')],
    ids=['', 'fine', 'labels'],
)
def test_exported_model_gives_the_same_scores(options: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(BASE, structure=dict(EXPANSION, seed=7, **options))
    errors = torch.tensor([[0.0, 1000.0]] * len(WINDOWS))
    solve(model, vote_errors=errors, voting_classes=torch.tensor(2))
    paths = finish(model, tmp_path)
    init_default_scope('mmseg')
    cfg = Config(dict(model=segmentor_config(3), test_pipeline=[dict(type='PackSegInputs')]))
    meta = dict(classes=BASE.names, palette=[[0, 0, 0]] * 3)
    plain_config(cfg, 3, meta, model).dump(tmp_path / 'config.py')
    assert 'mmciss' in (tmp_path / 'config.py').read_text()
    exported = init_model(Config.fromfile(tmp_path / 'config.py'), paths['model'], device='cpu')
    inputs = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(exported(inputs), model.eval()(inputs))


def test_a_plain_checkpoint_is_where_the_base_step_starts(tmp_path: Path) -> None:
    plain = model_of(BASE, structure=None)
    path = finish(plain, tmp_path)['model']
    model = model_of(BASE, checkpoint=path)
    inputs = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.eval()(inputs), plain.eval()(inputs))
    assert not rows_of(model).weight.any()


def test_a_finished_model_answers_until_rows_are_solved_for(tmp_path: Path) -> None:
    plain = model_of(BASE, structure=None)
    path = finish(plain, tmp_path)['model']
    model = model_of(LATER, dict(model=path, state=None), structure=dict(EXPANSION, reveal_hidden=False))
    inputs = torch.randn(2, 3, 32, 32)
    for later in (model.eval(), build_teacher(model, 'cpu').segmentor):
        torch.testing.assert_close(later(inputs), plain.eval()(inputs))
    expected = solve(model)
    assert rows_of(model).is_solved
    torch.testing.assert_close(rows_of(model).weight.flatten(1), expected.float())
    assert not any('trained' in name for name in model.plain_weights())


def test_a_finished_model_with_too_many_classes_is_refused(tmp_path: Path) -> None:
    wide = finish(model_of(LATER, structure=None), tmp_path)['model']
    with pytest.raises(ConfigError, match='does not fit the model'):
        model_of(BASE, checkpoint=wide)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(structure=dict(EXPANSION, width=0)), r'method.structure.width must be a positive integer, found 0'),
        (
            dict(structure=dict(EXPANSION, upsample=1.5)),
            r'method.structure.upsample must be a positive integer, found 1.5',
        ),
        (dict(structure=dict(EXPANSION, vote_window=4)), r"vote_window must be 0, an odd number or 'labels', found 4"),
        (dict(structure=dict(EXPANSION, gamma=0)), r'method.structure.gamma must be positive, found 0'),
        (dict(structure=dict(EXPANSION, level=[-2, 'a'])), r"level must be an integer, a list .*found \[-2, 'a'\]"),
        (dict(structure=dict(EXPANSION, level=1.5)), r'structure.level must be an integer, a list .*found 1.5'),
        (dict(structure=dict(EXPANSION, level=[4, 5])), r'structure.level=4: the head gets 4 maps, so -4 to 3'),
        (
            dict(structure=dict(EXPANSION, level=-5)),
            r'structure.level=-5: the head gets 4 maps, so -4 to 3 are allowed, and None, .* are of shape \(4, ',
        ),
        (dict(classifier=dict(auxiliary=1)), 'leave out auxiliary and future_rows'),
        (dict(losses=dict(dkd=dict(type='DecomposedDistillationLoss'))), r'losses.dkd.*structure=None'),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model_of(BASE, **options)


def test_says_that_nothing_is_trained() -> None:
    assert RandomExpansion.solved and not RandomExpansion.in_plain_model
