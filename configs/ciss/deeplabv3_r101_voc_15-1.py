# VOC, 15 classes and then five single ones, six steps; the setting that papers compare most.
# MMSegmentation's own DeepLabV3; the papers' networks are those of configs/recipes.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/closed_form_fine.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
