# MBS on ADE20K: as mbs_voc_15-1.py, with batch 8, 0.001 then 0.0005, 64 epochs per step, and twice the distillation.
_base_ = [
    '../_base_/models/segmenter_vit-b16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/mbs.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(weight_decay=1e-5))
param_scheduler = [dict(type='ConstantLR', factor=1.0, begin=0, end=10000, by_epoch=False)]
steps = dict(base=dict(lr=0.001, epochs=64), later=dict(lr=0.0005, epochs=64))
# Patches before they are compared with the classes, and the tokens of old classes.
method = dict(
    losses=dict(
        fd=dict(layer='decode_head.patch_proj'),
        od=dict(loss_weight=50.0),
        tokens=dict(type='ClassTokenDistillationLoss', layer='decode_head.classes_proj'),
    )
)
