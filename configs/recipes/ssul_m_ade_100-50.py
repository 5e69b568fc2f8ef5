# SSUL-M on ADE20K as released, its stored images with the right labels: SSUL, and half of every batch
# are stored images, 300 in all.
_base_ = './ssul_ade_100-50.py'
method = dict(name='SSUL-M', memory=dict(size=300, selection='class_balanced', mode='batch', labels='full'))
