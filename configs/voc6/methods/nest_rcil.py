# RCIL + NeST on MobileNetV2, with the distillation of rcil.py.
_base_ = '../../_base_/methods/nest_rcil.py'
method = dict(losses=dict(kd=dict(loss_weight=10.0)))
