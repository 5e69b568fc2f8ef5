# DKD-M on ADE20K as published: DKD and 300 stored images.
_base_ = './dkd_ade_100-50.py'
method = dict(name='DKD-M', memory=dict(size=300, selection='class_balanced', mode='concat', labels='current'))
