# VOC 15-1 with UPerNet on a ConvNeXt-T of mmpretrain.
_base_ = [
    '../_base_/models/upernet_convnext-t.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e_adamw.py',
    '../_base_/methods/closed_form_fine.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
# Its embedding is a quarter of the image; four sites in the place of one would take four times as long.
method = dict(structure=dict(upsample=1))
