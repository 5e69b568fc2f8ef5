# PLOP + LGKD on MobileNetV2, with the factors of plop.py.
_base_ = '../../_base_/methods/lgkd.py'
method = dict(losses=dict(pod=dict(factor=0.1, logits_factor=0.005)))
