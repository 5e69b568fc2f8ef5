# RCIL + NeST on ADE20K: as nest_rcil_voc_15-1.py, with RCIL's weaker distillation, 60 epochs per step and NeST's longer
# and faster pre-tuning.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/nest_rcil.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02))
model = dict(backbone=dict(stem_activation=False))
method = dict(
    statistics=dict(pretuning=dict(epochs=15, lr=0.5, size=128)),
    structure=dict(convolutions={'decode_head.pyramid.*': (1, 3)}),
    losses=dict(cube=dict(factor=5e-6, last_factor=5e-7)),
)
