# Mask2Former's optimizer as MMSegmentation has it for ADE20K, with batches of 16, and its 160,000 iterations for the
# base step. Later steps have half the learning rate and a length of their own in each recipe.
embed_multi = dict(lr_mult=1.0, decay_mult=0.0)
optimizer = dict(type='AdamW', lr=1e-4, weight_decay=0.05, eps=1e-8, betas=(0.9, 0.999))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.1, decay_mult=1.0),
            'query_embed': embed_multi,
            'query_feat': embed_multi,
            'level_embed': embed_multi,
        },
        norm_decay_mult=0.0,
    ),
)
# Written for max_iters; the runner stretches it to each step's iterations.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=160000, by_epoch=False)]
# The model of each step is evaluated when the step ends; to validate during training too, set
# val_begin=1.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160000, val_begin=10**9, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Each step starts a fresh optimizer and schedule.
steps = dict(base=dict(lr=1e-4, iters=160000), later=dict(lr=5e-5))
