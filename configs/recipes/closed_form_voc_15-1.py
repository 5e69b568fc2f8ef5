# SegACIL on VOC as released: DeepLabV3 at output stride 8, binary cross entropy, batch 32, 0.01 for the head and 0.001
# for the backbone, 50 epochs; 8192 random features, gamma 1, pseudo labels from the second later step on. Later steps
# have no iteration. The release's threshold of pseudo labels, augmentation and precision were not compared.
_base_ = [
    '../_base_/models/deeplabv3-projected_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/closed_form.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
model = dict(backbone=dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)), decode_head=dict(dilations=(1, 12, 24, 36)))
train_dataloader = dict(batch_size=32)
steps = dict(base=dict(lr=0.01, epochs=50))
method = dict(
    structure=dict(width=8192, reveal_hidden=False),
    statistics=dict(ridge=dict(first_step=2)),
    base=dict(
        main_loss=dict(type='SigmoidCrossEntropyLoss'),
        cfg=dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))),
    ),
)
