# SDR + MiB on ADE20K as released: one GPU, batch 4, 0.001 then 0.0001, 60 epochs per step.
_base_ = [
    '../_base_/models/deeplabv3-added-pool-linear_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/ade_60e.py',
    '../_base_/methods/sdr_mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='100-50', setting='overlapped', label_policy='mib')
train_dataloader = dict(batch_size=4)
steps = dict(base=dict(lr=0.001), later=dict(lr=0.0001))
# Features are picked as the release does, on one GPU.
method = dict(losses=dict(latent=dict(form='release')), base=dict(losses=dict(latent=dict(form='release'))))
