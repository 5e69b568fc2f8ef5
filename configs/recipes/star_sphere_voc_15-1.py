# STAR's second version on VOC, basic, with the first one's network, schedule and labels.
_base_ = './star_voc_15-1.py'
method = dict(name='STAR (sphere)', shared=dict(replay=dict(sampler=dict(type='SphereSampler'), rule='constant')))
