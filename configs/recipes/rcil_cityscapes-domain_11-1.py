# RCIL on Cityscapes, eleven cities and then one by one, as released: 0.004 after the first step.
_base_ = './rcil_cityscapes-domain_11-5.py'
protocol = dict(name='11-1')
steps = dict(later=dict(lr=0.004))
