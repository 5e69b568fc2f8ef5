# ILT (ICCVW 2019, arXiv 1907.13372), as MiB's authors ran it (arXiv 2002.00718): LwF, and the
# backbone's last map stays close to the teacher's, whatever the backbone.
method = dict(
    name='ILT',
    losses=dict(
        kd=dict(type='LogitDistillationLoss', loss_weight=100.0),
        features=dict(type='FeatureDistillationLoss', layer='backbone', loss_weight=100.0),
    ),
)
