# CoGaMiD on ADE20K, with STAR's network, schedule, labels and factors, as its authors say. Mixtures are fitted on a
# grid of 16 x 16 positions, as in what was seen of the release.
_base_ = './star_ade_100-50.py'
method = dict(
    name='CoGaMiD',
    losses=dict(
        density=dict(type='DensityDistillationLoss', loss_weight=5.0), unc=dict(type='UncertaintyLoss', loss_weight=0.1)
    ),
    shared=dict(
        replay=dict(sampler=dict(type='MixtureSampler', components=3), rule=('adaptive', 'constant'), minimum=1)
    ),
    statistics=dict(
        halfway=dict(type='EmbeddingMixtures', when='halfway', grid=(16, 16)),
        mixtures=dict(type='EmbeddingMixtures', when='after', grid=(16, 16)),
    ),
)
