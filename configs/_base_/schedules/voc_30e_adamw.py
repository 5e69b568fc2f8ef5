# For transformers and ConvNeXt on VOC: AdamW with MMSegmentation's usual settings, the papers' 30
# epochs per step. The head learns ten times faster than the backbone; later steps are ten times
# slower, as with SGD.
optimizer = dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    paramwise_cfg=dict(
        custom_keys={
            'pos_block': dict(decay_mult=0.0),
            'absolute_pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'norm': dict(decay_mult=0.0),
            'decode_head': dict(lr_mult=10.0),
        }
    ),
)
# Written for max_iters; the runner stretches it to each step's iterations.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=500, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=500, end=10000, by_epoch=False),
]
# The model of each step is evaluated when the step ends; to validate during training too, set
# val_begin=1.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10000, val_begin=10**9, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Each step starts a fresh optimizer and schedule.
steps = dict(base=dict(lr=6e-5, epochs=30), later=dict(lr=6e-6, epochs=30))
