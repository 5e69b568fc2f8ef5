# LGKD (ICCV 2023) on PLOP: what the teacher calls background is the new class where one is labelled, and
# no new class elsewhere. Its factors differ from protocol to protocol (docs/methods/lgkd.md); these are
# those of the release for VOC 15-1, which leave out the pixels of new classes. Published with PLOP's
# schedule, label_policy='plop', learning rate 0.02 then 0.002 for ADE20K.
_base_ = './plop.py'
method = dict(
    name='PLOP + LGKD', losses=dict(lgkd=dict(type='LabelGuidedDistillationLoss', prev_weight=1.0, novel_weight=0.0))
)
