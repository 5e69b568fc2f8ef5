# MiB + AWT on Cityscapes as released: 0.02 then 0.001, 30 epochs per step, mixed precision.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/cityscapes_512x512.py',
    '../_base_/schedules/cityscapes_30e.py',
    '../_base_/methods/awt.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='14-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# One mask for all new classes of a step, as the release's script for this data set.
method = dict(statistics=dict(attribution=dict(per_class=False)))
