# NeST (ECCV 2024, arXiv 2407.14142) on PLOP; see nest.py. On VOC the release freezes the old rows, as
# configs/recipes/nest_plop_voc_15-1.py does.
_base_ = './plop.py'
method = dict(
    name='PLOP + NeST',
    initializer=dict(_delete_=True, type='PretunedInitializer'),
    statistics=dict(pretuning=dict(type='RowPretuning', epochs=5, lr=0.02)),
)
