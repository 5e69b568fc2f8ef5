# Cityscapes, all 19 classes at every step, from 11 cities and then twice five, three steps. There
# is no background that could shift, so LwF is the default method.
# MMSegmentation's own DeepLabV3; the papers' networks are those of configs/recipes.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/cityscapes_domain_512x512.py',
    '../_base_/schedules/cityscapes_domain_50e.py',
    '../_base_/methods/lwf.py',
    '../_base_/default_runtime.py',
]
# A fifth of each city's images is kept for testing; they are drawn with seed 1, as PLOP does.
protocol = dict(name='11-5', setting='domain', holdout=0.2, seed=1)
