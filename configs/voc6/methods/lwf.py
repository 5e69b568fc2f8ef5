# LwF with a distillation of 10 instead of 100, for the reason that sdr.py gives.
_base_ = '../../_base_/methods/lwf.py'
method = dict(losses=dict(kd=dict(loss_weight=10.0)))
