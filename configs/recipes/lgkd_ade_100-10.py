# PLOP + LGKD on ADE20K 100-10: lgkd_ade_100-50.py with the release's factors and batch for this protocol.
_base_ = './lgkd_ade_100-50.py'
protocol = dict(name='100-10')
train_dataloader = dict(batch_size=16)
method = dict(losses=dict(lgkd=dict(prev_weight=1.0, novel_weight=1.0)))
