# STAR on VOC as released: batch 24, 0.01 then 0.001 for the head, a tenth of it for the backbone and, later, ten
# times as much for new rows, 60 epochs per step, mixed precision. Void pixels are negative examples of every
# class. The old model sees a class in the background where its logit exceeds 0.5, a probability of 0.62.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/star.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='dkd')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
# The release's momentum of the backbone's running statistics.
model = dict(backbone=dict(norm_cfg=dict(momentum=0.01)))
steps = dict(base=dict(lr=0.01, epochs=60), later=dict(lr=0.001, epochs=60))
method = dict(
    main_loss=dict(void_is_negative=True),
    shared=dict(replay=dict(threshold=0.6224593312018546)),
    statistics=dict(sites=dict(threshold=0.6224593312018546)),
    base=dict(
        main_loss=dict(void_is_negative=True),
        # The method's own file has this for later steps.
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
