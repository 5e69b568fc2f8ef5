# As for six classes, on the same network.
_base_ = '../../voc6/methods/awt_plop.py'
