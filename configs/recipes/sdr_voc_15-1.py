# SDR on VOC as released, its preset 'SDR': one GPU, batch 8, 0.001 then 0.0001, 30 epochs per step, full precision.
_base_ = [
    '../_base_/models/deeplabv3-added-pool-linear_r101-d16.py',
    '../_base_/datasets/voc12_aug_512x512.py',
    '../_base_/schedules/voc_30e.py',
    '../_base_/methods/sdr.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='mib')
train_dataloader = dict(batch_size=8)
steps = dict(base=dict(lr=0.001), later=dict(lr=0.0001))
# Features are picked as the release does, on one GPU.
method = dict(losses=dict(latent=dict(form='release')), base=dict(losses=dict(latent=dict(form='release'))))
