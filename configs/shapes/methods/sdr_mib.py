# SDR + MiB with the running statistics of sdr.py.
_base_ = '../../_base_/methods/sdr_mib.py'
method = dict(freeze=None, base=dict(freeze=None))
