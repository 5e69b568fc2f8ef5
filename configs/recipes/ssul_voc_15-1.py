# SSUL on VOC as released, but for augmentation, dropout in later steps (off) and the choice of weights (the last):
# saliency maps say which background may be an object, batch 32, 50 epochs per step, 0.01 and 0.001 for the backbone at
# the base step, 0.01 for the heads that learn later, mixed precision. The maps are not ours to give: one grey PNG per
# photograph, named like it. Without them use ciss/deeplabv3_r101_voc_15-1.py --method ssul, since this file's pipeline
# loads them. The augmentation and the square of 512 are the other methods'; the release scales and cuts 513, and trains
# on its padding as background.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/ssul.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='ssul')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='LoadSaliency', folder='data/VOCdevkit/VOC2012/saliency', suffix='.png'),
    dict(type='SegRandomResizedCrop', crop_size=512, scale=(0.5, 2.0), ratio=(3 / 4, 4 / 3)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSaliencyInputs'),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# The release's momentum of the backbone's running statistics.
model = dict(backbone=dict(norm_cfg=dict(momentum=0.01)), decode_head=dict(last_conv=False))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-6, begin=0, end=10000, by_epoch=False)]
# The method's own file multiplies the later rate by ten for the heads that learn.
steps = dict(base=dict(lr=0.01, epochs=50), later=dict(lr=0.001, epochs=50))
method = dict(
    labeler=dict(unknown='saliency'),
    decision=dict(plain_background='background'),
    base=dict(
        labeler=dict(unknown='saliency'),
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
