# DKD on VOC as released: batch 32, 0.01 then 0.001 for the head and a tenth of it for the backbone,
# 60 epochs per step, mixed precision. Void pixels are negative examples of every class, as in the release.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/dkd.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='dkd')
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# The release's momentum of the backbone's running statistics.
model = dict(backbone=dict(norm_cfg=dict(momentum=0.01)))
steps = dict(base=dict(lr=0.01, epochs=60), later=dict(lr=0.001, epochs=60))
method = dict(
    main_loss=dict(void_is_negative=True),
    base=dict(
        main_loss=dict(void_is_negative=True),
        # The method's own file has this for later steps.
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
