# LwF-MC, the sigmoid classifier of iCaRL (arXiv 1611.07725) on segmentation, as MiB's authors ran
# it (arXiv 2002.00718): each channel is a yes-or-no question at every step, the first included, and
# each old channel keeps the teacher's answer. The published factor of the distillation, 10 times
# the number of old channels, is 10 times the sum over them. The prediction stays the channel with
# the greatest score.
method = dict(
    name='LwF-MC',
    main_loss=dict(type='SigmoidCrossEntropyLoss', reduction='pixel_mean'),
    losses=dict(kd=dict(type='SigmoidDistillationLoss', loss_weight=10.0)),
    base=dict(main_loss=dict(type='SigmoidCrossEntropyLoss', reduction='pixel_mean')),
)
