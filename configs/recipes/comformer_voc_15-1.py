# CoMFormer on VOC 15-1: as on ADE20K, with 20,000 iterations for the base step. No published numbers are known here.
_base_ = [
    '../_base_/models/mask2former_r101.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/mask2former.py',
    '../_base_/methods/comformer.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
train_dataloader = dict(batch_size=16)
steps = dict(base=dict(iters=20000), later=dict(iters=1000))
