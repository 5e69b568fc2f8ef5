# PLOP on MobileNetV2, whose layers end without activation: the last of each stride, and the last. Local
# POD is a norm over all pooled values of a map, and these maps have about a thirtieth of a ResNet-101's
# at 512 pixels; with that and ten times the learning rate its factors are ten times the published ones.
_base_ = '../../_base_/methods/plop.py'
method = dict(
    losses=dict(
        pod=dict(
            layers=['backbone.layer2', 'backbone.layer3', 'backbone.layer5', 'backbone.layer7'],
            factor=0.1,
            logits_factor=0.005)))
