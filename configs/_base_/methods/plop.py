# PLOP (CVPR 2021, arXiv 2011.11390): pooled maps of every stage stay close to the teacher's, and background pixels get
# the teacher's label where it is sure. Factors are those for VOC; for ADE20K they are 0.001 / 0.00001. Published with
# learning rate 0.01 then 0.001, batch 24, mixed precision, 30 epochs (VOC; 10 from step 1 on for 10-1) or 60 (ADE20K),
# label_policy='plop'. Maps are taken before a stage's last activation, if it has one. How sure the teacher must be
# follows the release; the paper's medians: --cfg-options method.labeler.thresholds=median
method = dict(
    name='PLOP',
    main_loss=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    losses=dict(pod=dict(type='LocalPODLoss', layers='stages:pre_activation', factor=0.01, logits_factor=0.0005)),
    labeler=dict(type='EntropyLabeler', thresholds='binned'),
    initializer=dict(type='BackgroundInitializer', bias_shift=True),
    statistics=dict(thresholds=dict(type='EntropyThresholds', minimum=0.001)),
)
