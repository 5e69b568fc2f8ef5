# PLOP on MobileNetV2. Local POD is a norm over all pooled values of a map, and these maps have about a
# thirtieth of a ResNet-101's at 512 pixels; with that and ten times the learning rate its factors are
# ten times the published ones.
_base_ = '../../_base_/methods/plop.py'
method = dict(losses=dict(pod=dict(factor=0.1, logits_factor=0.005)))
