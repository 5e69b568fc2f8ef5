# STAR's second version on ADE20K, lite, with the first one's network, schedule and labels.
_base_ = './star_sphere_ade_100-50.py'
method = dict(
    name='STAR (lite)', shared=dict(replay=dict(type='RowReplay')), statistics=dict(sites=dict(type='RowPrototypes'))
)
