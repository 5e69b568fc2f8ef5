# PLOP on Cityscapes, city by city, as released: 50 epochs per step, weaker distillation.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/cityscapes_domain_512x512.py',
    '../_base_/schedules/cityscapes_domain_50e.py',
    '../_base_/methods/plop.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='11-1', setting='domain', holdout=0.2, seed=1)
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
method = dict(losses=dict(pod=dict(factor=0.0001, logits_factor=0.0001)))
