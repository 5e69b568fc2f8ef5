# CoGaMiD (NeurIPS 2025): STAR, whose classes are mixtures of Gaussians instead of prototypes. They are fitted again to
# what the images of a step show of old classes, halfway and at the end, and the densities under them are distilled.
# Published with STAR's schedule. See docs/methods/cogamid.md.
_base_ = './star.py'
method = dict(
    name='CoGaMiD',
    losses=dict(
        density=dict(type='DensityDistillationLoss', loss_weight=5.0), unc=dict(type='UncertaintyLoss', loss_weight=0.1)
    ),
    shared=dict(
        replay=dict(sampler=dict(type='MixtureSampler', components=3), rule=('adaptive', 'constant'), minimum=1)
    ),
    statistics=dict(
        halfway=dict(type='EmbeddingMixtures', when='halfway'), mixtures=dict(type='EmbeddingMixtures', when='after')
    ),
)
