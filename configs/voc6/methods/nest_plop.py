# PLOP + NeST on MobileNetV2, with the factors of plop.py; old rows are frozen, as in the release's script for VOC.
_base_ = '../../_base_/methods/nest_plop.py'
method = dict(losses=dict(pod=dict(factor=0.1, logits_factor=0.005)), freeze=dict(patterns=['*.steps.old.*']))
