# MBS, Mitigating Background Shift (ECCV 2024), its generic parts on any softmax model with a linear classifier: pseudo
# labels where the teacher is sure, background that it does not believe in is ignored, a labelled new class takes over
# the teacher's background (as in LGKD), the embedding is kept where old classes and background are, and the rows of
# new classes stay apart from all others. The paper has Segmenter on ViT-B, whose tokens are kept too:
# configs/recipes/mbs_*.py. The factor of od is that for VOC; for ADE20K it is 50. Published with a constant learning
# rate of 0.001 then 0.0001 (ADE20K 0.0005), batch 16 (8), mixed precision, 32 (64) epochs. See docs/methods/mbs.md.
method = dict(
    name='MBS',
    main_loss=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    losses=dict(
        fd=dict(type='WeightedFeatureDistillationLoss'),
        od=dict(type='LabelGuidedDistillationLoss', reduction='mean', loss_weight=25.0, resolution='image'),
        orth=dict(type='ClassOrthogonalityLoss'),
    ),
    labeler=dict(type='SelectiveIgnore', labeler=dict(type='ThresholdLabeler', threshold=0.7, probability='softmax')),
    initializer=dict(type='BackgroundInitializer', bias_shift=False),
)
