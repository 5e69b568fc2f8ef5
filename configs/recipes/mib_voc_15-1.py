# MiB on VOC as released: its network, batch 24, SGD, 0.01 then 0.001, 30 epochs per step, full precision. Its baselines
# have the same recipe: --method finetuning, lwf, lwf_mc, ilt, ewc, pi, rw.
_base_ = [
    '../_base_/models/deeplabv3-added-pool_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='mib')
