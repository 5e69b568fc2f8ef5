# DKD-M on VOC as released, but for pseudo labels of candidates: DKD and 100 stored images, chosen
# by what random crops of them show.
_base_ = './dkd_voc_15-1.py'
method = dict(
    name='DKD-M', memory=dict(size=100, selection='class_balanced', mode='concat', labels='current', candidates='crops')
)
