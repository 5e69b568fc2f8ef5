# Cityscapes whose 21 cities arrive step by step, all 19 classes labelled. The pool is the training
# and the validation folder; a protocol with setting='domain' takes the images of each step's cities
# and keeps a fifth of them for testing, as PLOP does.
dataset_type = 'CityscapesDataset'
data_root = 'data/cityscapes'
crop_size = 512
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='SegRandomResizedCrop', crop_size=crop_size, scale=(0.5, 2.0), ratio=(3 / 4, 4 / 3)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
# The papers evaluate the central square of the resized image, so labels are loaded before it is
# cut.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='SegCenterCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
folders = dict(
    train=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    val=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
)
# The published batch is 24 over all GPUs: divide batch_size by their number.
train_dataloader = dict(
    batch_size=24,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(type=dataset_type, data_root=data_root, data_prefix=prefix, pipeline=train_pipeline)
            for prefix in folders.values()
        ],
    ),
)
val_dataloader = dict(
    batch_size=24,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(type=dataset_type, data_root=data_root, data_prefix=prefix, pipeline=test_pipeline)
            for prefix in folders.values()
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
