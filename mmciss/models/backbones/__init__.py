"""Backbones of papers that MMSegmentation does not have."""

from mmciss.models.backbones.leaky_resnet import LeakyResNet
