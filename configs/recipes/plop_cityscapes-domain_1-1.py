# PLOP on Cityscapes, city by city from the first, as released.
_base_ = './plop_cityscapes-domain_11-1.py'
protocol = dict(name='1-1')
method = dict(losses=dict(pod=dict(logits_factor=0.001)))
