# NeST (ECCV 2024, arXiv 2407.14142) on MiB: before a step is trained, the rows of its classes are learned as
# transformations of the old rows, with everything before the classifier frozen. Published with learning rate 0.02
# then 0.001, batch 24, mixed precision, 30 epochs (VOC; 10 from step 1 on for 10-1) or 60 (ADE20K), 5 epochs of
# pre-tuning at 0.001 on VOC and 15 at 0.5 on ADE20K. The two lines below add NeST to any method; nest_plop.py adds
# it to PLOP, nest_rcil.py to RCIL.
_base_ = './mib.py'
method = dict(
    name='MiB + NeST',
    initializer=dict(_delete_=True, type='PretunedInitializer'),
    statistics=dict(pretuning=dict(type='RowPretuning', epochs=5, lr=0.02)),
)
