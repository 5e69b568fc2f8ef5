# Photographs on a CPU: PASCAL VOC images with five animals and persons, short side 256 pixels.
# MMCISS_VOC6 names the folder that holds JPEGImages, SegmentationVoc6 and ImageSets.
dataset_type = 'Voc6Dataset'
data_root = '{{$MMCISS_VOC6:data/voc6/VOCdevkit/VOC2012}}'
crop_size = 192
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
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='ImageSets/Segmentation/train_aug.txt', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='ImageSets/Segmentation/val.txt', pipeline=test_pipeline
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
