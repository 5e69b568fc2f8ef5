"""Mixtures of Gaussians of each class's embeddings, new ones and adjusted old ones."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather_object, get_dist_info
from torch import Tensor

from mmciss.datasets.seeding import mix
from mmciss.engine.statistics.data_pass import DataPass
from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import GaussianMixture, labels_at
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS

WHEN = ('halfway', 'after')


@STATISTICS.register_module()
class EmbeddingMixtures(DataPass):
    """Fits a mixture to the embeddings of each class that the step's images show, CoGaMiD (NeurIPS 2025).

    New classes are where the labels say so. Old ones are where the teacher sees them in the background; these sites and
    samples of the mixture so far, half as many as the class had sites, are fitted together. Old classes in fewer than
    two images keep theirs. The mixtures are those of the :class:`~mmciss.models.shared.MixtureSampler` in
    ``method.shared.replay``.

    Of every class at most ``limit`` sites are held, the same ones on any number of ranks; each counts for its share of
    all sites.

    Args:
        when: ``'after'`` training, or ``'halfway'``, where old classes alone are looked at.
        limit: Largest number of embeddings, and of samples, for one fit.
        grid: Height and width to which the embedding is reduced bilinearly first, ``(16, 16)`` in the release; None
            for the embedding as it is.

    Raises:
        ConfigError: If ``when`` is unknown or ``limit`` is not positive.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'teacher', 'shared.replay')
    finds: tuple[str, ...] = ('embedding_mixtures',)
    when = 'after'

    def __init__(self, when: str = 'after', limit: int = 20_000, grid: tuple[int, int] | None = None) -> None:
        if when not in WHEN:
            raise unknown_name('moment', when, WHEN, 'method.statistics.*.when')
        if limit < 1:
            raise ConfigError(f'method.statistics.*.limit must be at least 1, found {limit}')
        self.when, self.limit, self.grid = when, limit, grid

    def applies(self, step: Step) -> bool:
        """Halfway, only steps with old and new classes have something to adjust."""
        return self.when == 'after' or bool(step.num_old and step.num_new)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with nothing held."""
        super().begin(context, model)
        self.classes = range(1, self.step.num_old if self.when == 'halfway' else self.step.num_seen)
        self.images = 0
        self.held: dict[int, Held] = {}

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Holds the embeddings of the batch, each with a random number that decides which are kept."""
        assert output.embedding is not None
        labels = target
        if self.context.teacher is not None:
            old = self.context.shared['replay'].seen_by(self.context.teacher(inputs), target.shape[-2:])
            labels = torch.where(target == 0, old, target)
        embedding = output.embedding
        if self.grid is not None:
            embedding = F.interpolate(embedding, tuple(self.grid), mode='bilinear', align_corners=False)
        small = labels_at(labels, embedding.shape[-2:], centre=True).flatten(1).cpu()
        vectors = embedding.flatten(2).transpose(1, 2).float().cpu()
        rank, world = get_dist_info()
        for image in range(len(inputs)):
            keys = random_keys(self.images * world + rank, small.shape[1])
            self.images += 1
            for number in small[image].unique().tolist():
                if number in self.classes:
                    chosen = small[image] == number
                    more = Held(keys[chosen], vectors[image][chosen], int(chosen.sum()), 1)
                    before = self.held.get(number)
                    self.held[number] = more.joined([] if before is None else [before], self.limit)

    def finish(self) -> dict[str, dict[str, Tensor]]:
        """Returns ``embedding_mixtures``: the fields of the mixture, by channel; 0 for a class without a new one."""
        sampler = self.context.shared['replay'].sampler
        found = GaussianMixture(*(torch.zeros(self.step.num_seen, *item.shape[1:]) for item in sampler.mixtures))
        for number in self.classes:
            parts = [item for item in all_gather_object(self.held.get(number)) if item is not None]
            mixture = self._fit(number, parts[0].joined(parts[1:], self.limit)) if parts else None
            if mixture is not None:
                for total, one in zip(found, mixture, strict=True):
                    total[number] = one[0]
        return {'embedding_mixtures': found._asdict()}

    def _fit(self, number: int, held: Held) -> GaussianMixture | None:
        replay = self.context.shared['replay']
        shares = torch.full((len(held.vectors),), held.sites / len(held.vectors))
        if number >= self.step.num_old:
            return replay.sampler.fit(held.vectors, shares, number)
        stored = GaussianMixture(*(item.cpu() for item in replay.sampler.mixtures.of(slice(number, number + 1))))
        samples = float(replay.counts[number]) / 2
        if held.images < 2 or not stored.known or samples < 1:
            return None
        generator = torch.Generator().manual_seed(mix(self.step.index, number))
        drawn = stored.draw(torch.tensor([min(int(samples), self.limit)]), generator)
        shares = torch.cat([shares, torch.full((len(drawn),), samples / len(drawn))])
        return replay.sampler.fit(torch.cat([held.vectors, drawn]), shares, number, stored)


class Held:
    """Embeddings of a class, those with the smallest random numbers of all its sites.

    Args:
        keys: Random numbers, ``(n,)``.
        vectors: Embeddings, ``(n, D)``.
        sites: Number of sites that they were chosen from.
        images: Number of images with such a site.
    """

    def __init__(self, keys: Tensor, vectors: Tensor, sites: int, images: int) -> None:
        self.keys, self.vectors, self.sites, self.images = keys, vectors, sites, images

    def joined(self, others: list[Any], limit: int) -> Held:
        """Returns the smallest ``limit`` of these and others, in the order of their numbers."""
        everything = [self, *others]
        keys = torch.cat([item.keys for item in everything])
        order = keys.argsort()[:limit]
        vectors = torch.cat([item.vectors for item in everything])[order]
        return Held(
            keys[order], vectors, sum(item.sites for item in everything), sum(item.images for item in everything)
        )


def random_keys(image: int, sites: int) -> Tensor:
    """Returns a random number for each site of an image, the same whichever rank sees it."""
    return torch.rand(sites, dtype=torch.float64, generator=torch.Generator().manual_seed(mix(image)))
