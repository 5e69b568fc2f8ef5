# PLOP + LGKD on ADE20K 100-50 with its release's factors, batch of 12 and learning rates. Not checked against the
# release: as in lgkd_voc_15-1.py.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/lgkd.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
train_dataloader = dict(batch_size=12)
steps = dict(base=dict(lr=0.02), later=dict(lr=0.002))
method = dict(losses=dict(pod=dict(factor=0.001, logits_factor=0.00001), lgkd=dict(prev_weight=1.0, novel_weight=20.0)))
