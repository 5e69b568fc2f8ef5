# STAR-M: STAR and 50 stored images on VOC, which are added to the step's own and labelled like them, as in DKD-M. See
# docs/methods/star.md.
_base_ = './star.py'
method = dict(name='STAR-M', memory=dict(size=50, selection='class_balanced', mode='concat', labels='current'))
