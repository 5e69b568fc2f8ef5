# MiB + NeST on VOC: MiB's schedule with 0.02 at the base step, mixed precision, and the release's pre-tuning.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/nest.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02))
method = dict(statistics=dict(pretuning=dict(epochs=5, lr=0.001, size=128)))
