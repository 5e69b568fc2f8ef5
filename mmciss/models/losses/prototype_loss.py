"""The latent-space losses of SDR with the prototypes they share, and that of STAR."""

from __future__ import annotations

from logging import WARNING
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    ClassSums,
    class_sums,
    feature_attraction,
    feature_repulsion,
    feature_sparsity,
    labels_at,
    prototype_discrimination,
    prototype_matching,
    update_prototypes,
)
from mmciss.models.feature_channels import feature_channels
from mmciss.utils.private_api import AdaptsState

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


FORMS = ('paper', 'release')


@MODELS.register_module()
class PrototypeLoss(AdaptsState, ExtraLoss):
    """Prototype matching, attraction, repulsion and sparsity on one feature map.

    SDR (CVPR 2021, arXiv 2103.06342). Every batch first updates the running mean feature of each class, over all ranks;
    then the four terms are computed, except those with a weight of 0. At the base step set all four to 0: prototypes
    are accumulated and the loss stays as it is.

    Prototypes and counts are buffers, so every checkpoint has them and the next step starts from them, see
    :meth:`begin`.

    Args:
        layer: Name, relative to the segmentor, of the module whose output the loss acts on; of several maps the last.
            The sparsity treats negative values as 0; a ResNet's stages have none.
        channels: Number D of channels of that output; found when the model is built.
        matching_weight: Factor of prototype matching; 0.001 to 0.1 in the paper.
        attraction_weight: Factor of the attraction; 0.001 to 0.01.
        repulsion_weight: Factor of the repulsion; 0.001 to 0.01.
        sparsity_weight: Factor of the sparsity; 0.00001 to 0.001.
        background: Whether the background has a prototype and is attracted by it. Leave it out where the background
            hides other classes (overlapped, and disjoint after the base step). Where channel 0 is a class like the
            others (domain-incremental steps), it has one in any case.
        labels_hide_old: Whether old classes are labelled background, so that the teacher must find them; False in the
            sequential setting.
        form: ``'paper'``, or ``'release'`` for what the authors' code computes. The release flattens features by image
            and channel before it cuts them into rows, which mixes channels and images; its attraction is a nested mean
            that always includes the background; it leaves the smallest label of each batch, whatever it is, out of the
            prototypes unless ``background``; and it counts 255 as a class in the sparsity. Its published numbers come
            from one GPU; only ``'paper'`` gives the same result with several processes as with one.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('logits', 'features')

    prototypes: Tensor
    counts: Tensor

    def __init__(
        self,
        layer: str = 'backbone',
        channels: int | None = None,
        matching_weight: float = 0.01,
        attraction_weight: float = 0.001,
        repulsion_weight: float = 0.001,
        sparsity_weight: float = 0.001,
        background: bool = False,
        labels_hide_old: bool = True,
        form: str = 'paper',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, (layer,))
        if form not in FORMS:
            raise unknown_name('form', form, FORMS, 'PrototypeLoss.form')
        self.channels = channels
        self.matching_weight = matching_weight
        self.attraction_weight = attraction_weight
        self.repulsion_weight = repulsion_weight
        self.sparsity_weight = sparsity_weight
        self.background = self.all_channels = background
        self.labels_hide_old = labels_hide_old
        self.form = form
        self.released = form == 'release'
        if matching_weight and labels_hide_old:
            self.needs = ('logits', 'features', 'teacher')
        self.register_buffer('prototypes', torch.zeros(0, channels or 0))
        self.register_buffer('counts', torch.zeros(0, dtype=torch.long))

    def prepare(self, context: StepContext) -> None:
        """Finds the number of channels of the layer, and makes room for the classes seen so far."""
        if context.model is not None:
            found = feature_channels(context.model.segmentor, self.layers, f'method.{self.key}.channels')
            self.channels = found[self.layers[0]]
        self.all_channels = self.background or not context.step.background
        self._resize(context.step.num_seen)

    def begin(self, context: StepContext) -> None:
        """Starts from the prototypes with which the previous step ended.

        Old classes without a prototype (the previous step was trained without this loss) have a count of 0 and are left
        out of the matching.

        Raises:
            ConfigError: If they have a different number of channels.
        """
        if context.previous is None:
            return
        left = context.previous.slot(self.key)
        if 'counts' not in left:
            print_log(
                f'PrototypeLoss: the previous step left no prototypes, so those of its '
                f'{context.step.num_old} channels are unknown.',
                logger='current',
                level=WARNING,
            )
            return
        prototypes, counts = left['prototypes'], left['counts']
        if prototypes.shape[1] != self.channels:
            raise ConfigError(
                f'PrototypeLoss.channels is {self.channels}, but the prototypes of the '
                f'step before have {prototypes.shape[1]}'
            )
        self.prototypes[: len(prototypes)] = prototypes.to(self.prototypes)
        self.counts[: len(counts)] = counts.to(self.counts)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Updates the prototypes, then computes the weighted loss of one batch.

        Raises:
            ConfigError: If the layer's output does not have ``channels`` channels.
        """
        features = student.maps(self.layers)[-1]
        if features.shape[1] != self.channels:
            raise ConfigError(
                f'PrototypeLoss.channels is {self.channels}, but {self.layers[0]!r} gives {features.shape[1]} channels'
            )
        labels = labels_at(target, features.shape[-2:])
        if self.training:
            self.update(features, labels)
        given = features, labels, self.prototypes
        loss = features.new_zeros(())
        if self.matching_weight and context.step.num_old:
            found_by = None
            if self.labels_hide_old:
                assert teacher is not None
                found_by = teacher.logits
            matching = prototype_matching(
                *given,
                found_by,
                context.step.num_old,
                self.released,
                self.counts > 0,
                target.shape[-2:],
                student.align_corners,
            )
            loss = loss + self.matching_weight * matching
        if self.attraction_weight:
            attracted = self.all_channels or self.released
            loss = loss + self.attraction_weight * feature_attraction(*given, attracted, self.released)
        if self.repulsion_weight:
            loss = loss + self.repulsion_weight * feature_repulsion(*given, self.released)
        if self.sparsity_weight:
            loss = loss + self.sparsity_weight * feature_sparsity(*given, self.released)
        return self.loss_weight * loss

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Adds one batch, of all ranks, to the prototypes.

        Args:
            features: Shape ``(N, D, h, w)``.
            labels: Channels or 255, shape ``(N, h, w)``.
        """
        sums, counts = class_sums(features, labels, len(self.prototypes), self.released)
        if not self.all_channels:
            left_out = counts.nonzero()[:1, 0] if self.released else 0
            sums[left_out], counts[left_out] = 0, 0
        all_reduce(sums)
        all_reduce(counts)
        prototypes, counts = update_prototypes(self.prototypes, self.counts, ClassSums(sums, counts))
        # In place, since a distributed wrapper keeps references to buffers.
        self.prototypes.copy_(prototypes)
        self.counts.copy_(counts)

    def _resize(self, num_classes: int) -> None:
        known = min(len(self.counts), num_classes)
        width = self.channels or 0
        prototypes = self.prototypes.new_zeros(num_classes, width)
        counts = self.counts.new_zeros(num_classes)
        if self.prototypes.shape[1] == width:
            prototypes[:known], counts[:known] = self.prototypes[:known], self.counts[:known]
        self.prototypes, self.counts = prototypes, counts

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Resizes the buffers to what is loaded, if the loss was built without a step."""
        if not len(self.counts) and f'{prefix}counts' in state:
            self.channels = self.channels or state[f'{prefix}prototypes'].shape[1]
            self._resize(len(state[f'{prefix}counts']))


@MODELS.register_module()
class PrototypeDiscriminationLoss(ExtraLoss):
    """Moves the embeddings of each new class away from the nearest prototype of an old one.

    STAR (NeurIPS 2023): see :func:`mmciss.functional.prototype_discrimination`. The prototypes are those of the object
    ``method.shared.replay``.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('embedding', 'shared.replay')

    def __init__(self, loss_weight: float = 0.05) -> None:
        super().__init__(loss_weight)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        assert student.embedding is not None
        new = range(context.step.num_old, context.step.num_seen)
        prototypes = context.shared['replay'].known_prototypes()
        return self.loss_weight * prototype_discrimination(student.embedding, target, prototypes, new)
