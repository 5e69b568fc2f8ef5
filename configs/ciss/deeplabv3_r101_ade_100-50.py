# ADE20K, 100 classes and then fifty, two steps.
# MMSegmentation's own DeepLabV3; the papers' networks are those of configs/recipes.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/closed_form_fine.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
