# Photographs on a CPU: cat, cow and dog, then horse, then person, then sheep, four steps.
_base_ = [
    '../_base_/models/deeplabv3_mbv2-d16.py',
    '../_base_/datasets/voc6.py',
    '../_base_/schedules/voc6.py',
    '../_base_/methods/mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='3-1', setting='overlapped', label_policy='plop')
# Faster, and equal but for rounding: docs/performance.md. Tables of 400 iterations were made without.
channels_last = True
accuracy_interval = 10
