# SSUL on ADE20K as released, but for what ssul_voc_15-1.py names: all background is unknown, batch 24,
# 100 epochs per step, a warm-up over a tenth of them, 0.01 and 0.001 for the backbone at the base step
# (whatever the release is told), 0.05 for the heads that learn later, mixed precision.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/ssul.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='ssul')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# The release's momentum of the backbone's running statistics.
model = dict(backbone=dict(norm_cfg=dict(momentum=0.01)), decode_head=dict(last_conv=False))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, begin=0, end=1000, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=10000, by_epoch=False),
]
# The method's own file multiplies the later rate by ten for the heads that learn.
steps = dict(base=dict(lr=0.01, epochs=100), later=dict(lr=0.005, epochs=100))
method = dict(base=dict(cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))))))
