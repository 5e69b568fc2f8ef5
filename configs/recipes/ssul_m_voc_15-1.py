# SSUL-M on VOC as released, its stored images with the right labels: SSUL, and half of every batch
# are stored images, 100 in all.
_base_ = './ssul_voc_15-1.py'
method = dict(name='SSUL-M', memory=dict(size=100, selection='class_balanced', mode='batch', labels='full'))
