# STAR-M on VOC: STAR and 50 stored images, chosen and labelled as DKD-M does it.
_base_ = './star_voc_15-1.py'
method = dict(
    name='STAR-M', memory=dict(size=50, selection='class_balanced', mode='concat', labels='current', candidates='crops')
)
