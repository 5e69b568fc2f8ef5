# SegACIL's recipe for VOC on ADE20K, with the epochs of the other methods; no script or number of the authors for this
# data set was seen.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/closed_form.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
model = dict(backbone=dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)), decode_head=dict(dilations=(1, 12, 24, 36)))
train_dataloader = dict(batch_size=32)
method = dict(
    structure=dict(width=8192, reveal_hidden=False),
    statistics=dict(ridge=dict(first_step=2)),
    base=dict(
        main_loss=dict(type='SigmoidCrossEntropyLoss'),
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
