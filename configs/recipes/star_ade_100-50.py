# STAR on ADE20K as released: batch 24, 0.025 then 0.0025 for the head, a tenth of it for the backbone and, later,
# ten times as much for new rows, 100 epochs per step, a linear warm-up over a fifth of them, mixed precision.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/star.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='dkd')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# The release's momentum of the backbone's running statistics.
model = dict(backbone=dict(norm_cfg=dict(momentum=0.01)))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, begin=0, end=2000, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=10000, by_epoch=False),
]
steps = dict(base=dict(lr=0.025, epochs=100), later=dict(lr=0.0025, epochs=100))
method = dict(
    main_loss=dict(pos_weight=30.0, void_is_negative=True),
    shared=dict(replay=dict(threshold=0.6224593312018546)),
    statistics=dict(sites=dict(threshold=0.6224593312018546)),
    base=dict(
        main_loss=dict(pos_weight=30.0, void_is_negative=True),
        # The method's own file has this for later steps.
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
