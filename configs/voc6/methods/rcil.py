# RCIL on MobileNetV2, whose 3x3 convolutions are depthwise, with the distillation of sdr.py.
_base_ = '../../_base_/methods/rcil.py'
method = dict(losses=dict(kd=dict(loss_weight=10.0)))
