# MiB, Modeling the Background (CVPR 2020, arXiv 2002.00718): what is labelled background may be any
# old class, and what the teacher calls background may be any new one. The new rows start as shares
# of the background. Published with label_policy='mib' (void trained as background, future classes
# ignored at test).
method = dict(
    name='MiB',
    main_loss=dict(type='UnbiasedCrossEntropyLoss'),
    losses=dict(kd=dict(type='UnbiasedDistillationLoss', loss_weight=10.0)),
    initializer=dict(type='BackgroundInitializer', bias_shift=True),
)
