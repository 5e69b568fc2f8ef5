# PLOP + LGKD on VOC 15-1 with the factors of its release, where pixels of new classes are not distilled. The
# release's batch of the base step is 16, here 24 as in later ones. Not checked against it, and as in PLOP: network,
# mixed precision and label policy.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/lgkd.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
