# PLOP on MobileNetV2, whose layers end without activation: the last of each stride, and the last.
_base_ = '../../_base_/methods/plop.py'
method = dict(
    losses=dict(
        pod=dict(
            layers=['backbone.layer2', 'backbone.layer3', 'backbone.layer5', 'backbone.layer7'])))
