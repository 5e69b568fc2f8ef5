# GSC on MobileNetV2, with the layers and factors of plop.py.
_base_ = '../../_base_/methods/gsc.py'
method = dict(
    losses=dict(
        pod=dict(
            layers=['backbone.layer2', 'backbone.layer3', 'backbone.layer5', 'backbone.layer7'],
            factor=0.1,
            logits_factor=0.005)))
