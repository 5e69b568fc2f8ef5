# DFT* on VOC 19-1: dft_voc_15-1.py with the release's later learning rate for this protocol, 0.005.
_base_ = './dft_voc_15-1.py'
protocol = dict(name='19-1')
steps = dict(later=dict(lr=0.005))
