# PLOP + LGKD on VOC 19-1: lgkd_voc_15-1.py with the release's factors for this protocol, whose batch is 24 throughout.
_base_ = './lgkd_voc_15-1.py'
protocol = dict(name='19-1')
method = dict(losses=dict(lgkd=dict(prev_weight=5.0, novel_weight=0.5)))
