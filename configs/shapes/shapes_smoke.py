# Does everything that shapes_15-1.py does, in seconds, and learns nothing: few small pictures, a
# few iterations per step. For tests, and for trying out a change.
_base_ = './shapes_15-1.py'
protocol = dict(name='15-5')
data_root = '{{$MMCISS_SHAPES_SMOKE:data/shapes_smoke}}'
drawing = dict(seed=0, train=40, val=10, side=48)
crop_size = 48
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='SegRandomResizedCrop', crop_size=crop_size, scale=(0.5, 2.0), ratio=(3 / 4, 4 / 3)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='SegCenterCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(data_root=data_root, drawing=drawing, pipeline=train_pipeline))
val_dataloader = dict(batch_size=5, dataset=dict(data_root=data_root, drawing=drawing, pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(backbone=dict(stem_channels=8, base_channels=8), decode_head=dict(in_channels=64, channels=16))
steps = dict(base=dict(iters=6), later=dict(iters=4))
default_hooks = dict(logger=dict(interval=2), checkpoint=dict(interval=2))
