# SDR on a network without pretrained weights, in steps of 100 iterations. The release's momentum of 3e-4
# leaves 58 % of the running statistics in the 1,826 iterations of a step of VOC 15-1, and nothing of
# ImageNet's in a base step of 35,880. Here 0.0054 leaves 58 % in a step; the base step, whose
# statistics start from nothing, has the model's own 0.1.
_base_ = '../../_base_/methods/sdr.py'
method = dict(freeze=dict(norm_momentum={'backbone.*': 0.0054}), base=dict(freeze=None))
