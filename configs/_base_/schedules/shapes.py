# Six steps of the shapes in minutes on two CPU cores. The network starts from random weights, hence
# the high rate; later steps have a tenth of it, as in the papers.
optimizer = dict(type='SGD', lr=0.2, momentum=0.9, nesterov=True, weight_decay=1e-4)
optim_wrapper = dict(type='OptimWrapper', optimizer=optimizer)
# Written for max_iters; the runner stretches it to each step's iterations.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=1000, by_epoch=False)]
# The model of each step is evaluated when the step ends; to validate during training too, set
# val_begin=1.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000, val_begin=10**9, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Each step starts a fresh optimizer and schedule.
steps = dict(base=dict(lr=0.2, iters=1000), later=dict(lr=0.02, iters=100))
