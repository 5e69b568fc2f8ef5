# MiB + NeST on ADE20K: as nest_voc_15-1.py, 60 epochs per step, with the release's longer and faster pre-tuning.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/nest.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02))
method = dict(statistics=dict(pretuning=dict(epochs=15, lr=0.5, size=128)))
