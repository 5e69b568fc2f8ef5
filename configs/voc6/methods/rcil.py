# RCIL on MobileNetV2, with the layers of plop.py and the distillation of sdr.py; its 3x3 convolutions
# are depthwise.
_base_ = '../../_base_/methods/rcil.py'
method = dict(
    losses=dict(
        kd=dict(loss_weight=10.0),
        cube=dict(
            layers=['backbone.layer2', 'backbone.layer3', 'backbone.layer5', 'backbone.layer7'])))
