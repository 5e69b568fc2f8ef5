# DKD-M (arXiv 2210.05941): DKD and 100 stored images (300 on ADE20K), which are added to the step's own and labelled
# like them: old classes are background. See docs/methods/dkd.md.
_base_ = './dkd.py'
method = dict(name='DKD-M', memory=dict(size=100, selection='class_balanced', mode='concat', labels='current'))
