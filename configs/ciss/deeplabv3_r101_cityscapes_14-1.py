# Cityscapes, 14 classes and then five single ones, six steps.
# MMSegmentation's own DeepLabV3; the papers' networks are those of configs/recipes.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/cityscapes_512x512.py',
    '../_base_/schedules/cityscapes_30e.py',
    '../_base_/methods/closed_form_fine.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='14-1', setting='overlapped', label_policy='plop')
