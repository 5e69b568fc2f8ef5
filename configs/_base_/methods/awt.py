# AWT (WACV 2023, arXiv 2210.07207) on MiB: a new class starts with the quarter of the background weights that, by
# attribution, explain why the teacher calls it background. Published with learning rate 0.02 (0.01 for ADE20K) then
# 0.001, batch 24, mixed precision, 30 epochs (60 for ADE20K), label_policy='plop', always overlapped. The release has
# one mask for all new classes of a step on VOC and Cityscapes:
#   --cfg-options method.statistics.attribution.per_class=False
# The two lines below add AWT to any method; awt_plop.py adds it to PLOP.
_base_ = './mib.py'
method = dict(
    name='MiB + AWT',
    initializer=dict(_delete_=True, type='AttributionInitializer'),
    statistics=dict(attribution=dict(type='BackgroundAttribution', fraction=0.25, per_class=True)),
)
