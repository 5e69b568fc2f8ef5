# SDR on a network without pretrained weights, in steps of 100 iterations at two hundred times the release's
# later learning rate: the running statistics move with the model's own momentum, since the network
# moves on while slow ones stay behind it. See docs/methods/sdr.md for what was measured.
_base_ = '../../_base_/methods/sdr.py'
method = dict(freeze=None, base=dict(freeze=None))
