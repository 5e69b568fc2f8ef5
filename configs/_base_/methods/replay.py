# Experience replay with completed labels, of no one paper: half of every batch are stored images of earlier steps, and
# where the labels say background, the old model's class counts if it is sure. Nothing is distilled: an old model that
# takes every horse for a cow does not say so where a horse is labelled. See docs/methods/replay.md.
method = dict(
    name='Replay',
    main_loss=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    labeler=dict(type='ThresholdLabeler', threshold=0.5, probability='softmax'),
    initializer=dict(type='BackgroundInitializer', bias_shift=True),
    # A later step shows few classes; its batches would move the statistics on which the rows of all old ones rely.
    freeze=dict(norm='eval_affine_frozen'),
    memory=dict(size=100, mode='batch', labels='full'),
    cfg=dict(
        optim_wrapper=dict(
            clip_grad=dict(max_norm=10.0), paramwise_cfg=dict(custom_keys={'steps.new.': dict(lr_mult=10.0)})
        )
    ),
)
