# RCIL on Cityscapes, city by city from the first, as released.
_base_ = './rcil_cityscapes-domain_11-5.py'
protocol = dict(name='1-1')
