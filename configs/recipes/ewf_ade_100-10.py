# EWF on MiB on ADE20K 100-10, as released: as 100-50, with ten times the distillation. 100-5 is the same with
# --protocol 100-5.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/ewf.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-10', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
method = dict(losses=dict(kd=dict(loss_weight=100.0)))
