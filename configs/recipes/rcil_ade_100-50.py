# RCIL on ADE20K as published: 60 epochs per step, mixed precision, weaker distillation.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py', '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py', '../_base_/methods/rcil.py',
    '../_base_/default_runtime.py'
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
method = dict(losses=dict(cube=dict(factor=5e-6, last_factor=5e-7)))
