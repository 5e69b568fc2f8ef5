# MBS on VOC: Segmenter on ViT-B, batch 16, a constant rate of 0.001 then 0.0001, 32 epochs per step, mixed precision.
# The release keeps the weights of each step that are best on the new classes of the test images; here the last ones
# are kept. Its label policy was not compared.
_base_ = [
    '../_base_/models/segmenter_vit-b16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/mbs.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(weight_decay=1e-5))
param_scheduler = [dict(type='ConstantLR', factor=1.0, begin=0, end=10000, by_epoch=False)]
steps = dict(base=dict(lr=0.001, epochs=32), later=dict(lr=0.0001, epochs=32))
# Patches before they are compared with the classes, and the tokens of old classes.
method = dict(
    losses=dict(
        fd=dict(layer='decode_head.patch_proj'),
        tokens=dict(type='ClassTokenDistillationLoss', layer='decode_head.classes_proj'),
    )
)
