# SDR + MiB with the distillation and the running statistics of sdr.py.
_base_ = '../../_base_/methods/sdr_mib.py'
method = dict(losses=dict(kd=dict(loss_weight=10.0)), freeze=None, base=dict(freeze=None))
