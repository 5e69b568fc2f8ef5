# As for six classes, on the same network.
_base_ = '../../voc6/methods/gsc.py'
