# DFT* on VOC 15-5: dft_voc_15-1.py with the release's later learning rate for this protocol, 0.02.
_base_ = './dft_voc_15-1.py'
protocol = dict(name='15-5')
steps = dict(later=dict(lr=0.02))
