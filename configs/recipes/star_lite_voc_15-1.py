# STAR's second version on VOC, lite, with the first one's network, schedule and labels.
_base_ = './star_sphere_voc_15-1.py'
method = dict(
    name='STAR (lite)', shared=dict(replay=dict(type='RowReplay')), statistics=dict(sites=dict(type='RowPrototypes'))
)
