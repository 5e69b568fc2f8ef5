# Adapter (AAAI 2025): STAR, whose prototypes move as the model has moved in a step; pixels that are neither right nor
# sure lower their second class; old background counts by how much of the old classes today's images show. Published
# with STAR's schedule. See docs/methods/adapter.md.
_base_ = './star.py'
method = dict(
    name='Adapter',
    losses=dict(unc=dict(type='UncertaintyLoss', loss_weight=0.1)),
    shared=dict(replay=dict(rule=('adaptive', 'constant'), minimum=1)),
    statistics=dict(deviation=dict(type='EmbeddingDeviation', gap=0.7)),
    # The base step is STAR's, so that the two can share it.
    base=dict(
        shared=dict(replay=dict(type='FeatureReplay', threshold=0.5)),
        statistics=dict(distributions=dict(type='EmbeddingDistributions')),
    ),
)
