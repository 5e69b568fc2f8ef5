# AWT (WACV 2023, arXiv 2210.07207) on PLOP, see awt.py and plop.py.
_base_ = './plop.py'
method = dict(
    name='PLOP + AWT',
    initializer=dict(_delete_=True, type='AttributionInitializer'),
    statistics=dict(attribution=dict(type='BackgroundAttribution', fraction=0.25, per_class=True)),
)
