# DFT* on VOC 15-1 with the learning rates of its release: 0.02, and 0.0005 for the rows that learn later.
# Not checked against the release, and taken from the recipes that it compares with (PLOP): batch 24, 30
# epochs, mixed precision and label policy. The network is MMSegmentation's DeepLabV3.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/dft.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02), later=dict(lr=0.0005))
