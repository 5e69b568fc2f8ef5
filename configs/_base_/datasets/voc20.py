# Photographs on a CPU: the images of voc6 with the masks of all twenty PASCAL VOC classes. MMCISS_VOC6 names the folder
# that holds JPEGImages, SegmentationClassAug and ImageSets; that of the whole PASCAL VOC 2012 will do, too.
_base_ = './voc6.py'
dataset_type = 'PascalVOCDataset'
data_prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug')
train_dataloader = dict(dataset=dict(type=dataset_type, data_prefix=data_prefix))
val_dataloader = dict(dataset=dict(type=dataset_type, data_prefix=data_prefix))
test_dataloader = val_dataloader
