# STAR's second version on ADE20K, basic, with the first one's network, schedule and labels.
_base_ = './star_ade_100-50.py'
method = dict(name='STAR (sphere)', shared=dict(replay=dict(sampler=dict(type='SphereSampler'), rule='constant')))
