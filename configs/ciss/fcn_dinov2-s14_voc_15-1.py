# VOC 15-1 with a linear classifier on a frozen DINOv2 ViT-S/14. The closed form does not need the one that the base
# step trains: --cfg-options steps.base.iters=0 takes no gradient at all, and gives the same rows.
_base_ = [
    '../_base_/models/fcn_dinov2-s14.py',
    '../_base_/datasets/voc12_aug_518x518.py',
    '../_base_/schedules/voc_30e_adamw.py',
    '../_base_/methods/closed_form_fine.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
