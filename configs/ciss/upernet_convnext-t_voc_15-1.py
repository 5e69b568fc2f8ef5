# VOC 15-1 with UPerNet on a ConvNeXt-T of mmpretrain.
_base_ = [
    '../_base_/models/upernet_convnext-t.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e_adamw.py',
    '../_base_/methods/anchor.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
