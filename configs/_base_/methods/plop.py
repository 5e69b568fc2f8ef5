# PLOP (CVPR 2021, arXiv 2011.11390): pooled maps of every stage stay close to the teacher's, and
# background pixels get the teacher's label where it is sure. As published: 0.01 / 0.0005 for VOC
# (these), 0.001 / 0.00001 for ADE20K, learning rate 0.01 then 0.001, batch 24, mixed precision,
# 30 epochs (VOC; 10 from step 1 on for 10-1) or 60 (ADE20K), label_policy='plop'.
# The layers are the last residual sums of a ResNet's stages; any other backbone:
# --cfg-options method.losses.pod.layers="['backbone']"
method = dict(
    name='PLOP',
    main_loss=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    losses=dict(
        pod=dict(
            type='LocalPODLoss',
            layers=[
                'backbone.layer1.-1.relu:input', 'backbone.layer2.-1.relu:input',
                'backbone.layer3.-1.relu:input', 'backbone.layer4.-1.relu:input'
            ],
            factor=0.01,
            logits_factor=0.0005)),
    labeler=dict(type='EntropyLabeler'),
    initializer=dict(type='BackgroundInitializer', bias_shift=True),
    statistics=dict(thresholds=dict(type='EntropyThresholds', minimum=0.001)))
