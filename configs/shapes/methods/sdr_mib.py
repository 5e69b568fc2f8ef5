# SDR + MiB with the momentum of sdr.py.
_base_ = '../../_base_/methods/sdr_mib.py'
method = dict(freeze=dict(norm_momentum={'backbone.*': 0.0054}), base=dict(freeze=None))
