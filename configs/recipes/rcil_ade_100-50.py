# RCIL on ADE20K as released: 60 epochs per step, mixed precision, weaker distillation.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/rcil.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# Its stem has no activation, all four branches of its head are doubled, and the biases of new classes
# stay random in the release.
model = dict(backbone=dict(stem_activation=False))
method = dict(
    initializer=dict(bias=False),
    structure=dict(convolutions={'decode_head.pyramid.*': (1, 3)}),
    losses=dict(cube=dict(factor=5e-6, last_factor=5e-7)),
)
