# STAR's second version (TPAMI 2025), basic: old classes are drawn on a sphere around their prototypes, with the norm of
# the batch, and how much is replayed follows from the counts alone. See docs/methods/star.md.
_base_ = './star.py'
method = dict(
    name='STAR (sphere)',
    shared=dict(replay=dict(sampler=dict(type='SphereSampler'), rule='constant')),
    # The base step is STAR's, so that the two can share it.
    base=dict(shared=dict(replay=dict(type='FeatureReplay', threshold=0.5))),
)
