# CoMFormer on ADE20K 100-50: Mask2Former on ResNet-101, MMSegmentation's schedule for the base step, then 1000
# iterations per new class. The paper could not be read here: rates and lengths of later steps are ours.
_base_ = [
    '../_base_/models/mask2former_r101.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/mask2former.py',
    '../_base_/methods/comformer.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='plop')
train_dataloader = dict(batch_size=16)
steps = dict(later=dict(iters=50000))
