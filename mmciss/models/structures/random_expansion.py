"""A random layer before rows that are solved for, in the place of the main classifier (SegACIL)."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.functional import (
    Correlations,
    correlations_of_rows,
    hidden_sites,
    largest_window,
    reveal_hidden_sites,
    solve_ridge,
)
from mmciss.functional.window_vote import WINDOWS
from mmciss.models.classifiers.growable import GrowableConv2d
from mmciss.models.feature_channels import SIDE, run_on_an_empty_image
from mmciss.models.outputs import linear_classifier, main_classifier, main_head
from mmciss.models.structures.expanded_rows import ExpandedRows, maps_of, pairs_of, put_rows
from mmciss.models.structures.structure import Structure, TakenOut, build_exported_head
from mmciss.registry import STRUCTURES
from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead
    from mmseg.models.segmentors import BaseSegmentor

    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


@STRUCTURES.register_module()
class RandomExpansion(Structure):
    """Expands the embedding by a fixed random layer and ReLU, and solves for the rows (SegACIL, arXiv 2412.10834).

    The base step trains the network with an ordinary classifier, which is removed at its end. From then on nothing is
    trained: every step adds its sums (:class:`~mmciss.engine.statistics.ridge_correlations.RidgeCorrelations`), and the
    rows of all classes are the ridge regression on everything seen so far.

    Plain MMSegmentation has no such layer: the exported config imports mmciss.

    Args:
        width: Number E of random features.
        gamma: Weight of the rows' squared norm in the regression.
        seed: Seed of the random layer.
        reveal_hidden: Whether sites of later classes that earlier steps labelled as background are estimated and count
            for their own class, see :func:`mmciss.functional.hidden_sites`. False is the release's regression.
        upsample: How many times finer than the embedding the sites are, in both directions. The release's sites are
            the embedding's, 1, whose scores are upsampled: a mixture of two sites' scores says less about where a class
            ends than a score of the mixture.
        level: Which of the maps that the head gets join the embedding, an index or several, as in a list of them; None
            for the embedding alone, as in the release. The embedding was made for the classes of the base step, maps
            before the head still know what else there is. Of several, and where the head gets a single map (a plain
            vision transformer), those that it does not get are left out.
        image_pool: Whether the embedding's mean over the image joins it at every site.
        vote_window: Side of the window of sites that vote on the class of a foreground site, see
            :func:`mmciss.functional.window_vote`; 0 for none. ``'labels'``: the largest one that does little harm to
            the labels of the base step, or of images of old classes, by
            :class:`~mmciss.engine.statistics.vote_errors.VoteErrors`, and to all classes seen, if a class has as much
            of every other one beside it as these have. Without a background class no site votes.
    """

    in_plain_model = False
    changes_trunk = False
    solved = True
    needs: tuple[str, ...] = ('statistics.autocorrelation', 'statistics.cross_correlation')

    def __init__(
        self,
        width: int = 1024,
        gamma: float = 1.0,
        seed: int = 0,
        reveal_hidden: bool = True,
        upsample: int = 1,
        level: int | Sequence[int] | None = None,
        image_pool: bool = False,
        vote_window: int | str = 0,
    ) -> None:
        super().__init__()
        for key, value in (('width', width), ('upsample', upsample)):
            if value < 1 or not isinstance(value, int):
                raise ConfigError(f'method.structure.{key} must be a positive integer, found {value}')
        fits = isinstance(vote_window, int) and (vote_window == 0 or (vote_window > 0 and vote_window % 2 == 1))
        if not fits and vote_window != 'labels':
            raise ConfigError(
                f"method.structure.vote_window must be 0, an odd number or 'labels', found {vote_window!r}"
            )
        if gamma <= 0:
            raise ConfigError(f'method.structure.gamma must be positive, found {gamma}')
        self.width, self.gamma, self.seed = width, gamma, seed
        self.reveal_hidden, self.upsample = reveal_hidden, upsample
        self.image_pool, self.vote_window = image_pool, vote_window
        if vote_window == 'labels':
            self.needs = (*type(self).needs, 'statistics.vote_errors', 'statistics.voting_classes')
        given = level if isinstance(level, list | tuple) else [] if level is None else [level]
        self.levels = [item for item in given if isinstance(item, int)]
        if len(self.levels) < len(given):
            raise ConfigError(f'method.structure.level must be an integer, a list of them or None, found {level!r}')

    def install(self, segmentor: BaseSegmentor, step: Step) -> None:
        """Puts the random layer and the rows in the place of the main classifier.

        Raises:
            ConfigError: If the main head does not end in a 1x1 convolution ``conv_seg``, has channels that are no
                class, or gets no map of this level.
        """
        name, head = main_head(segmentor)
        found = main_classifier(segmentor)
        layer = None if found is None else found[1]
        if not isinstance(layer, GrowableConv2d) or layer.kernel_size != (1, 1) or layer.num_rest:
            raise ConfigError(
                f"method.structure: RandomExpansion replaces a 1x1 convolution 'conv_seg', in which "
                f'{type(head).__name__} (model.{name}) does not end'
            )
        if layer.num_future or layer.auxiliary is not None:
            raise ConfigError(
                'method.classifier: RandomExpansion solves for the rows of known classes only; leave out auxiliary and '
                'future_rows'
            )
        beside = levels_of(segmentor, head, self.levels) if self.levels else ()
        vote_window = self.vote_window if isinstance(self.vote_window, int) else None
        rows = ExpandedRows(
            layer.in_channels,
            layer.sizes,
            self.width,
            self.seed,
            trained=step.is_base,
            upsample=self.upsample,
            beside=beside,
            image_pool=self.image_pool,
            vote_window=vote_window if step.background else 0,
        )
        put_rows(head, rows.to(layer.weight))

    def begin(self, context: StepContext) -> None:
        """Refuses to train a base step on rows that a finished one solved for.

        Raises:
            ConfigError: If ``load_from`` has such rows and the base step has iterations.
        """
        super().begin(context)
        assert context.model is not None
        solved = linear_classifier(context.model.segmentor)[1].is_solved
        if context.step.is_base and solved and context.plan is not None and context.plan.iterations:
            raise ConfigError(
                'load_from: this model has rows that were solved for, and no classifier that could be trained further. '
                'With steps.base.iters=0 its rows are solved for anew'
            )

    @torch.no_grad()
    def end(self, context: StepContext) -> None:
        """Solves for the rows of all classes."""
        assert context.model is not None
        layer = linear_classifier(context.model.segmentor)[1]
        sums = Correlations(*(context.statistic(name, self) for name in ('autocorrelation', 'cross_correlation')))
        rows = solve_ridge(sums, self.gamma)
        if self.reveal_hidden and context.step.background:
            rows = reveal_hidden_sites(rows, hidden_sites(rows, sums.cross, context.step.sizes[0]))
        layer.set_rows(rows)
        if layer.window is None:
            return
        errors, voting = (context.statistic(name, self) for name in ('vote_errors', 'voting_classes'))
        if voting > 1:  # else nothing shows what lies beside what, and a step before has decided
            # What these labels do not know is background in them, and another class beside theirs later.
            others = max((context.step.num_seen - 2) / (int(voting) - 1), 1.0)
            expected = errors * errors.new_tensor([others, 1.0])
            layer.set_window(largest_window(expected))
            shares = (
                f'{wrong / seen:.2%} with {side}'
                for side, (wrong, seen) in zip(WINDOWS, expected.tolist(), strict=True)
            )
            print_log(
                f'vote_window: {layer.vote_window}. Sites to which the vote of labels is expected to give a wrong '
                f'class: {", ".join(shares)}',
                logger='current',
            )

    def export(self, segmentor: BaseSegmentor, weights: MutableMapping[str, Tensor]) -> None:
        """Leaves the weights as they are: the exported model has the random layer."""

    def export_config(self, segmentor: BaseSegmentor, model: dict[str, Any]) -> None:
        """Wraps the main head's config."""
        slot, _, index = main_head(segmentor)[0].partition('.')
        layer = linear_classifier(segmentor)[1]
        options = ConfigDict(type='HeadWithRandomExpansion', sizes=list(layer.sizes), width=self.width)
        if self.upsample > 1:
            options.upsample = self.upsample
        if layer.beside:
            options.beside = [list(pair) for pair in layer.beside]
        if self.image_pool:
            options.image_pool = True
        if layer.vote_window:
            options.vote_window = layer.vote_window
        if self.gamma != 1:
            options.gamma = self.gamma
        if index:
            model[slot][int(index)] = ConfigDict(options, head=model[slot][int(index)])
        else:
            model[slot] = ConfigDict(options, head=model[slot])

    @classmethod
    def take_out(cls, model: dict[str, Any], weights: dict[str, Tensor], state: dict[str, Any]) -> TakenOut | None:
        """Unwraps the main head, joins the rows, and gives the sums those labels from which the rows are solved for.

        The rows have sites revealed that earlier steps hid; now all old classes are those of one step, in which nothing
        is hidden.
        """
        heads: Any = model.get('decode_head')
        many = isinstance(heads, list | tuple)
        head = heads[-1] if many else heads
        if not isinstance(head, dict) or head.get('type') != 'HeadWithRandomExpansion':
            return None
        prefix = f'decode_head.{len(heads) - 1}.conv_seg.' if many else 'decode_head.conv_seg.'
        names = [f'{prefix}steps.{step}.weight' for step, size in enumerate(head['sizes']) if size]
        if not weights.keys() >= set(names):
            return None  # they are another model's
        parts = [weights.pop(name) for name in names]
        rows = weights[f'{prefix}steps.0.weight'] = torch.cat(parts)
        weights.pop(f'{prefix}window', None)  # the head's config has it
        head['sizes'] = [len(rows)]
        gamma = head.get('gamma', 1.0)
        statistics = state.get('statistics') or {}
        if 'autocorrelation' in statistics:
            sums = correlations_of_rows(statistics['autocorrelation'], rows.flatten(1), gamma)
            state['statistics'] = {**statistics, 'cross_correlation': sums.cross}
        plain = copy.deepcopy(model)
        if many:
            plain['decode_head'][-1] = plain['decode_head'][-1]['head']
        else:
            plain['decode_head'] = plain['decode_head']['head']
        levels = [index for index, _ in pairs_of(head.get('beside'))]
        own = dict(type=cls.__name__, width=head['width'], gamma=gamma, upsample=head.get('upsample', 1))
        own.update(image_pool=head.get('image_pool', False), vote_window=head.get('vote_window', 0))
        return TakenOut(dict(own, level=levels or None), plain)


def levels_of(segmentor: BaseSegmentor, head: BaseDecodeHead, levels: Sequence[int]) -> list[tuple[int, int]]:
    """Returns index and number of channels of those maps that a head gets.

    Raises:
        ConfigError: If it gets several, and none of these levels, or one that is no map.
    """
    maps: list[Tensor] = []

    def forward(inputs: Any, *args: Any) -> Any:
        maps.extend(maps_of(inputs))
        return type(head).forward(head, inputs, *args)

    with patched(head, 'forward', forward):
        run_on_an_empty_image(segmentor, 'method.structure.level')
    number, found = len(maps), []
    inside = [level for level in levels if -number <= level < number]
    for level in inside or (levels if number > 1 else ()):
        if level not in inside or maps[level].dim() != 4:
            shapes = ', '.join(str(tuple(item.shape[1:])) for item in maps)
            raise ConfigError(
                f'method.structure.level={level}: the head gets {number} maps, so {-number} to {number - 1} are '
                f'allowed, and None, which leaves them out; for an image of {SIDE} x {SIDE} pixels they are of shape '
                f'{shapes}'
            )
        found.append((level, maps[level].shape[1]))
    return found


@MODELS.register_module(name='HeadWithRandomExpansion')
def head_with_random_expansion(
    head: dict[str, Any],
    sizes: Sequence[int],
    width: int,
    upsample: int = 1,
    beside: Sequence[Sequence[int]] | Sequence[int] | None = None,
    gamma: float = 1.0,
    image_pool: bool = False,
    vote_window: int = 0,
) -> nn.Module:
    """Builds a decode head of an exported model, whose ``conv_seg`` is :class:`ExpandedRows`.

    Args:
        head: Config of the decode head.
        sizes: Channels added by each step.
        width: Number of random features.
        upsample: How many times finer than the embedding the scores are.
        beside: Index and number of channels of each map that joins the embedding.
        gamma: Weight of the rows' squared norm in their regression, which a further step needs.
        image_pool: Whether the embedding's mean over the image joins it.
        vote_window: Side of the window whose foreground sites vote on their class; 0 if none do.

    Raises:
        ConfigError: If the sizes are not the classes of the head.
    """
    why = 'The rows of its classes are in the checkpoint; tools/extend.py adds further ones'
    built = build_exported_head(head, sizes, why)
    channels = built.conv_seg.in_channels
    own: dict[str, Any] = dict(upsample=upsample, beside=beside, image_pool=image_pool, vote_window=vote_window)
    put_rows(built, ExpandedRows(channels, sizes, width, **own))
    return built
