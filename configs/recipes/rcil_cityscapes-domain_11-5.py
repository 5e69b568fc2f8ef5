# RCIL on Cityscapes, city by city, as released: cross entropy and its own distillation only, 0.02 then
# 0.002, 50 epochs per step, mixed precision.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/cityscapes_domain_512x512.py',
    '../_base_/schedules/cityscapes_domain_50e.py',
    '../_base_/methods/rcil.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='11-5', setting='domain', holdout=0.2, seed=1)
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02), later=dict(lr=0.002))
# Its stem has no activation, and all four branches of its head are doubled.
model = dict(backbone=dict(stem_activation=False))
method = dict(
    structure=dict(convolutions={'decode_head.pyramid.*': (1, 3)}),
    main_loss=None,
    losses=dict(kd=None, cube=dict(factor=5e-4, last_factor=1e-4, channel_factor=1e-4, last_channel_factor=0.0)),
)
