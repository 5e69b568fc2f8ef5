# DFT* on ADE20K 100-50: 0.02 at the base step as in its release, later 0.05, the lowest of its rates for
# ADE20K (0.05 to 0.1; which protocol has which is not known here). What else is not checked against the
# release: as in dft_voc_15-1.py, with 60 epochs.
_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/dft.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
steps = dict(base=dict(lr=0.02), later=dict(lr=0.05))
