# AWT (WACV 2023, arXiv 2210.07207) on MiB: a new class starts with those background weights that
# explain why the teacher calls it background, a quarter of the channels, chosen by attribution.
# Published with learning rate 0.02 (0.01 for ADE20K) then 0.001, batch 24, mixed precision, 30 epochs
# (60 for ADE20K), label_policy='plop', always overlapped. The release has one mask for all new classes of
# a step on VOC and Cityscapes: --cfg-options method.statistics.attribution.per_class=False
# The two lines below turn any host into host + AWT; awt_plop.py does it to PLOP.
_base_ = './mib.py'
method = dict(
    name='MiB + AWT',
    initializer=dict(_delete_=True, type='AttributionInitializer'),
    statistics=dict(attribution=dict(type='BackgroundAttribution', fraction=0.25, per_class=True)),
)
