# DKD-M on ADE20K as released, but for pseudo labels of candidates: DKD and 300 stored images, chosen
# by what random crops of them show.
_base_ = './dkd_ade_100-50.py'
method = dict(
    name='DKD-M', memory=dict(size=300, selection='class_balanced', mode='concat', labels='current', candidates='crops')
)
