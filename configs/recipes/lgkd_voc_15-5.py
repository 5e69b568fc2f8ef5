# PLOP + LGKD on VOC 15-5: lgkd_voc_15-1.py with the release's factors for this protocol.
_base_ = './lgkd_voc_15-1.py'
protocol = dict(name='15-5')
method = dict(losses=dict(lgkd=dict(prev_weight=5.0, novel_weight=1.0)))
