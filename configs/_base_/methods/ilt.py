# ILT (ICCVW 2019, arXiv 1907.13372), as MiB's authors ran it (arXiv 2002.00718): LwF, and the
# backbone's last map stays close to the teacher's. The layer is a module's name in the segmentor:
# 'backbone.layer4' is right for ResNets; MobileNetV2 has 'backbone.layer7', Swin
# 'backbone.stages.3'.
method = dict(
    name='ILT',
    losses=dict(
        kd=dict(type='LogitDistillationLoss', loss_weight=100.0),
        features=dict(type='FeatureDistillationLoss', layer='backbone.layer4', loss_weight=100.0)))
