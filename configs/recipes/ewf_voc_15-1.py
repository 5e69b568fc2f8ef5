# EWF on MiB on VOC, as released: MiB's schedule in mixed precision, rows of earlier steps frozen. Not checked
# against the release: what void and future classes become; here as in PLOP, whose tables it extends.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/ewf.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
