# PLOP + LGKD on ADE20K 50-50: lgkd_ade_100-50.py with the release's factors for this protocol.
_base_ = './lgkd_ade_100-50.py'
protocol = dict(name='50-50')
method = dict(losses=dict(lgkd=dict(prev_weight=2.0, novel_weight=10.0)))
