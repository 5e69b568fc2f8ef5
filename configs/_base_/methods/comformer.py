# CoMFormer (CVPR 2023): a head that classifies queries (MaskFormer, Mask2Former) learns with its own loss, which
# matches masks with queries. Where the label is background, the masks of the teacher's confident queries are added
# to it, and queries keep the old classes that the teacher gives them. The paper could not be read here: see
# docs/methods/comformer.md.
method = dict(
    name='CoMFormer',
    main_loss=dict(type='SetLoss'),
    losses=dict(kd=dict(type='QueryDistillationLoss', loss_weight=1.0)),
    labeler=dict(type='MaskLabeler', threshold=0.5),
    base=dict(main_loss=dict(type='SetLoss')),
)
