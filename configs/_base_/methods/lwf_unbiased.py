# For models without a background class (Cityscapes, ADE20K), whose new data label only new classes: an unlabelled pixel
# shows some old class, as MiB's cross entropy assumes (arXiv 2002.00718); LwF's distillation (arXiv 1606.09282), with
# MiB's weight, preserves which one. The combination is ours; it is the default of tools/extend.py for such models.
method = dict(
    name='LwF + unbiased CE',
    main_loss=dict(type='UnbiasedCrossEntropyLoss'),
    losses=dict(kd=dict(type='LogitDistillationLoss', loss_weight=10.0)),
    labeler=dict(type='TeacherLabeler'),
)
