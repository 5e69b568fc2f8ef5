# As for six classes, on the same network.
_base_ = '../../voc6/methods/nest_plop.py'
