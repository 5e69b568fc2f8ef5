# STAR's second version (TPAMI 2025), lite: as star_sphere.py, but of old classes only the number of sites is handed on;
# where they lie follows from the old classifier's rows and from what it sees in the new images. See
# docs/methods/star.md.
_base_ = './star_sphere.py'
method = dict(
    name='STAR (lite)', shared=dict(replay=dict(type='RowReplay')), statistics=dict(sites=dict(type='RowPrototypes'))
)
