# EWF on MiB on ADE20K 100-50, as released: as on VOC, 60 epochs per step. What void and future classes become
# was not checked, see ewf_voc_15-1.py. For 100-10 and 100-5 see ewf_ade_100-10.py.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/ewf.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
