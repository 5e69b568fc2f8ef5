# MiB + AWT on ADE20K: MiB's schedule with 60 epochs per step and mixed precision. The base step has 0.01: the
# release's scripts for ADE20K name no other rate, VOC's and Cityscapes' have 0.02.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/awt.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.01))
