# Four steps of voc6 in about ten minutes on two CPU cores.
optimizer = dict(type='SGD', lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
# The backbone is pretrained and learns ten times slower than the head, which starts at random.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=optimizer, paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)})
)
# Written for max_iters; the runner stretches it to each step's iterations.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=1000, by_epoch=False)]
# The model of each step is evaluated when the step ends; to validate during training too, set
# val_begin=1.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000, val_begin=10**9, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Each step starts a fresh optimizer and schedule.
steps = dict(base=dict(lr=0.02, iters=400), later=dict(lr=0.01, iters=100))
