# ILT (ICCVW 2019, arXiv 1907.13372), as MiB's authors ran it (arXiv 2002.00718): LwF, and the
# backbone's last map stays close to the teacher's. 'backbone.-1' is its last module: layer4 of a
# ResNet, layer7 of a MobileNetV2, the last norm of Swin and ConvNeXt; for SegFormer give
# --cfg-options method.losses.features.layer=backbone.layers.-1.-1
method = dict(
    name='ILT',
    losses=dict(
        kd=dict(type='LogitDistillationLoss', loss_weight=100.0),
        features=dict(type='FeatureDistillationLoss', layer='backbone.-1', loss_weight=100.0)))
