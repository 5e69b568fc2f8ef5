# The default job: twenty drawn shapes, 15 and then five single ones, six steps, minutes on a CPU.
_base_ = [
    '../_base_/models/fcn_tiny.py',
    '../_base_/datasets/shapes_96x96.py',
    '../_base_/schedules/shapes.py',
    '../_base_/methods/mib.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
