"""NeST's start of new rows: learned before training as transformations of the old ones."""

from __future__ import annotations

import logging
from itertools import zip_longest
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    at_least_float32,
    labels_at,
    positive_contributions,
    transformed_rows,
    unbiased_cross_entropy,
)
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS

KEY = 'method.statistics.*'
BIASES = ('background', 'random')


class RowTransformation(nn.Module):
    """What NeST learns before training: new rows from the old ones, and a scaled background row.

    Args:
        weight: Old rows, background first, shape ``(C_old, D)``.
        bias: Their biases ``(C_old,)``, or None.
        contributions: Mean contributions ``(n, C_old, D)``, the start of the transformation, see
            :func:`mmciss.functional.positive_contributions`; NaN for a class without a site, which starts as the
            background.
        new_bias: First biases of the new rows, ``(n,)``.
    """

    old_weight: Tensor
    old_bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, contributions: Tensor, new_bias: Tensor) -> None:
        super().__init__()
        absent = contributions.isnan().flatten(1).any(1)
        background = torch.zeros_like(contributions[:, :, 0])
        background[:, 0] = 1
        shares = contributions.sum(2).softmax(1)
        self.transformation = nn.Parameter(contributions.where(~absent[:, None, None], 1).to(weight))
        self.shares = nn.Parameter(shares.where(~absent[:, None], background).to(weight))
        self.bias = nn.Parameter(new_bias.clone().to(weight), requires_grad=bias is not None)
        self.mask = nn.Parameter(torch.ones_like(weight[0]))
        self.scale = nn.Parameter(weight.new_ones(()))
        self.register_buffer('old_weight', weight.clone())
        self.register_buffer('old_bias', torch.zeros_like(weight[:, 0]) if bias is None else bias.clone())

    def rows(self) -> dict[str, Tensor]:
        """Returns new rows ``weight (n, D)``, their ``bias (n,)``, and the ``background`` row ``(D,)``."""
        return dict(
            weight=transformed_rows(self.old_weight, self.transformation, self.shares),
            bias=self.bias,
            background=self.scale * self.mask * self.old_weight[0],
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Returns the logits ``(P, C_old + n)`` of embeddings ``(P, D)``."""
        rows = self.rows()
        weight = torch.cat([rows['background'][None], self.old_weight[1:], rows['weight']])
        return embedding @ weight.T + torch.cat([self.old_bias, rows['bias']])


@STATISTICS.register_module()
class RowPretuning(DataPass):
    """Learns the start of new rows with everything before the classifier frozen.

    NeST (ECCV 2024, arXiv 2407.14142) learns a
    :class:`~mmciss.engine.statistics.row_pretuning.RowTransformation`, which starts from the old model's answers
    on the new classes, with MiB's cross-entropy by SGD with a polynomial schedule. Since the network is frozen, the
    embeddings of one pass over the images serve all epochs. A site is a position of the embedding, its label that of
    the pixel at its centre; sites are shuffled over all images. Every process learns from the sites of all, so that all
    find the same rows as one process.

    Args:
        epochs: How often each site is seen; as many updates per epoch as the pass had batches.
        lr: Learning rate at the start.
        momentum: Nesterov momentum.
        weight_decay: Weight decay of what is learned.
        bias: First bias of the new rows: that of the ``'background'``, or ``'random'`` as torch draws it for a new
            layer, which is what the release has, by accident.
        size: Side of the square map on which contributions are measured; None for the embedding's own grid.
        max_sites: Most sites that are kept, evenly from all images; each takes 4 bytes per channel of the embedding.

    Raises:
        ConfigError: If an argument is not allowed.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'classifier', 'rows')
    finds: tuple[str, ...] = ('pretuned_rows',)

    def __init__(
        self,
        epochs: int = 5,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        bias: str = 'background',
        size: int | None = None,
        max_sites: int = 2**18,
    ) -> None:
        if bias not in BIASES:
            raise unknown_name('start', bias, BIASES, f'{KEY}.bias')
        if epochs < 0 or lr <= 0 or max_sites < 1:
            raise ConfigError(
                f'{KEY}: epochs must be at least 0, lr above 0 and max_sites at least 1, '
                f'found {epochs}, {lr} and {max_sites}'
            )
        self.epochs, self.lr, self.momentum, self.weight_decay = epochs, lr, momentum, weight_decay
        self.bias, self.size, self.max_sites = bias, size, max_sites

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums and no sites.

        Raises:
            ConfigError: If there is no background, or the classifier's kernel is larger than 1.
        """
        super().begin(context, model)
        if not self.step.background:
            raise ConfigError(f'{KEY}: RowPretuning needs a protocol with a background')
        self.name, classifier = linear_classifier(model.segmentor)
        if classifier.weight.shape[2:].numel() != 1:
            raise ConfigError(
                f'{KEY}: RowPretuning needs a 1x1 classifier, found a kernel of {tuple(classifier.weight.shape[2:])}'
            )
        old, bias = slice(self.step.num_old), classifier.bias
        self.weight = at_least_float32(classifier.weight.detach().flatten(1)[old])
        self.old_bias = None if bias is None else at_least_float32(bias.detach()[old])
        self.classes = range(self.step.num_old, self.step.num_seen)
        self.quota = max(1, self.max_sites // (1 if context.data is None else max(1, len(context.data))))
        # The same on every rank, whatever other passes draw.
        self.seed = torch.initial_seed()
        self.sums = self.weight.new_zeros(len(self.classes), *self.weight.shape, dtype=torch.float64)
        self.counts = self.sums.new_zeros(len(self.classes))
        self.sites: list[tuple[Tensor, Tensor]] = []
        self.batches = 0

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's contributions, and keeps its sites."""
        assert output.embedding is not None
        embedding, logits = at_least_float32(output.embedding), at_least_float32(output.logits)
        self._contribute(embedding, logits, target)
        labels = labels_at(target, embedding.shape[-2:], centre=True).flatten(1)
        chosen = torch.randperm(labels.shape[1], generator=self._generator())[: self.quota].sort().values
        for features, label in zip(embedding.flatten(2).cpu(), labels.cpu(), strict=True):
            kept = chosen[label[chosen] != 255]
            self.sites.append((features.T[kept], label[kept]))
        self.batches += 1

    def finish(self) -> dict[str, Any]:
        """Returns ``pretuned_rows``: by classifier, what ``RowTransformation.rows`` returns."""
        sums, counts = sum_over_ranks(self.sums), sum_over_ranks(self.counts)
        assert sums is not None and counts is not None
        if missing := [channel for channel, count in zip(self.classes, counts.tolist(), strict=True) if not count]:
            print_log(
                f'row pretuning: no site of channels {missing} was found; their rows start as the background',
                logger='current',
                level=logging.WARNING,
            )
        rows = RowTransformation(self.weight, self.old_bias, sums / counts[:, None, None], self._first_bias())
        with torch.enable_grad():
            self._learn(rows)
        return {'pretuned_rows': {self.name: {key: value.detach() for key, value in rows.rows().items()}}}

    def _contribute(self, embedding: Tensor, logits: Tensor, target: Tensor) -> None:
        size = tuple(embedding.shape[-2:]) if self.size is None else (self.size, self.size)
        probabilities = logits[:, : self.step.num_old].softmax(1)
        maps = (interpolate(item, size, mode='bilinear', align_corners=False) for item in (embedding, probabilities))
        features, shares = (item.flatten(2).transpose(1, 2).flatten(0, 1) for item in maps)
        labels = labels_at(target, size, centre=True).flatten()
        sums, counts = positive_contributions(features, shares, labels, self.weight, self.classes)
        self.sums, self.counts = self.sums + sums, self.counts + counts

    def _first_bias(self) -> Tensor:
        count = len(self.classes)
        if self.old_bias is None:
            return self.weight.new_zeros(count)
        if self.bias == 'background':
            return self.old_bias[:1].expand(count)
        bound = self.weight.shape[1] ** -0.5
        return torch.empty(count).uniform_(-bound, bound, generator=self._generator())

    def _learn(self, rows: RowTransformation) -> None:
        """Minimises MiB's cross-entropy of the sites of all processes, in the order in which one process finds them."""
        ranks = all_gather_object(self.sites)
        sites = [site for place in zip_longest(*ranks) for site in place if site is not None]
        updates = max(all_gather_object(self.batches))
        if not updates:
            return
        embedding, labels = (torch.cat(item).to(self.weight.device) for item in zip(*sites, strict=True))
        learned = [parameter for parameter in rows.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(
            learned, self.lr, momentum=self.momentum, nesterov=True, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, max(1, self.epochs * updates), power=0.9)
        generator = self._generator()
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(labels), generator=generator).to(labels.device).tensor_split(updates):
                if not len(chosen):
                    continue
                optimizer.zero_grad()
                logits, target = rows(embedding[chosen]).T[None, :, None], labels[chosen][None, None]
                unbiased_cross_entropy(logits, target, self.step.num_old).backward()
                optimizer.step()
                schedule.step()

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
