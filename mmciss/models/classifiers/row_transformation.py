"""New rows of a classifier as learnable transformations of the old ones (NeST)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmciss.functional import transformed_rows


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
