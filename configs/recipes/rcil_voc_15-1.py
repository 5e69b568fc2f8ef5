# RCIL on VOC as released: MiB's schedule with 0.02 at the base step, mixed precision.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/rcil.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02))
# Its stem has no activation, all four branches of its head are doubled, and the biases of new classes
# stay random in the release.
model = dict(backbone=dict(stem_activation=False))
method = dict(initializer=dict(bias=False), structure=dict(convolutions={'decode_head.pyramid.*': (1, 3)}))
