# Adapter on ADE20K, with STAR's network, schedule, labels and factors, as its authors say.
_base_ = './star_ade_100-50.py'
method = dict(
    name='Adapter',
    losses=dict(unc=dict(type='UncertaintyLoss', loss_weight=0.1)),
    shared=dict(replay=dict(rule=('adaptive', 'constant'), minimum=1)),
    statistics=dict(deviation=dict(type='EmbeddingDeviation', gap=0.7)),
)
