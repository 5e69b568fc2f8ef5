# Photographs on a CPU, all twenty classes of PASCAL VOC, 15 and then five single ones. The 1,004 training images of
# voc6 were chosen for six of the classes: none shows an aeroplane or a train, and nine other classes have fewer than
# 20. In the natural order ('a') the fourth new class is the train, which cannot be learned. The published order 's'
# ends with person, horse, sofa, cow and cat. With the whole PASCAL VOC any order will do: --order a.
_base_ = [
    '../_base_/models/deeplabv3_mbv2-d16.py',
    '../_base_/datasets/voc20.py',
    '../_base_/schedules/voc20.py',
    '../_base_/methods/mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop', order='s')
# With bfloat16 (configs/_base_/schedules/voc20.py), what makes an iteration faster: docs/performance.md.
channels_last = True
accuracy_interval = 10
