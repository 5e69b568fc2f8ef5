# MiB on ADE20K as released: as on VOC, 60 epochs per step, every image in one step only. The images
# are drawn with a seed; for the lists that MiB published see deeplabv3_r101_ade_100-50-partitioned.py.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='partitioned', label_policy='mib')
