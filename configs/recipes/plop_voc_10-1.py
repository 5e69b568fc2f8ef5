# PLOP on VOC 10-1 as released: 10 epochs per step after the first.
_base_ = './plop_voc_15-1.py'
protocol = dict(name='10-1')
steps = dict(later=dict(epochs=10))
