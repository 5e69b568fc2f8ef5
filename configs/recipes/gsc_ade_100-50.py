# GSC on ADE20K with PLOP's network, schedule, factors and threshold rule; GSC's own are not known to us.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/gsc.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
method = dict(losses=dict(pod=dict(factor=0.001, logits_factor=0.00001)))
