# DFT* on VOC 10-1: dft_voc_15-1.py with the release's later learning rate for this protocol, 0.0005.
_base_ = './dft_voc_15-1.py'
protocol = dict(name='10-1')
steps = dict(later=dict(lr=0.0005))
