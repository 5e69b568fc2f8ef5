# NeST (ECCV 2024, arXiv 2407.14142) on RCIL; see nest.py.
_base_ = './rcil.py'
method = dict(
    name='RCIL + NeST',
    initializer=dict(_delete_=True, type='PretunedInitializer'),
    statistics=dict(pretuning=dict(type='RowPretuning', epochs=5, lr=0.02)),
)
