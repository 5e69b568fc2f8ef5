# RCIL, Representation Compensation (CVPR 2022, arXiv 2203.05402): every 3x3 convolution has a branch
# that is frozen after the base step and one that learns; pooled maps stay close to the teacher's;
# MiB's losses. Factors are those for VOC; for ADE20K they are 5e-6 / 5e-7. Published with learning rate
# 0.02 then 0.001 (VOC) or 0.01 then 0.001 (ADE20K), batch 24, mixed precision, 30 epochs (VOC) or 60,
# label_policy='plop'. Maps are those after each stage's last activation. The release doubles the four
# branches of its own head, the 1x1 one too, which configs/recipes/rcil_*.py do. See docs/methods/rcil.md.
method = dict(
    name='RCIL',
    main_loss=dict(type='UnbiasedCrossEntropyLoss'),
    losses=dict(
        kd=dict(type='UnbiasedDistillationLoss', loss_weight=100.0),
        cube=dict(type='PooledCubeLoss', layers='stages', factor=0.01, last_factor=0.0005),
    ),
    initializer=dict(type='BackgroundInitializer', bias_shift=True),
    structure=dict(type='ParallelBranches', convolutions={'backbone.*': 3, 'decode_head.*': 3}),
)
