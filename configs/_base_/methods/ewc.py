# EWC, elastic weight consolidation (PNAS 2017, arXiv 1612.00796), as MiB's authors ran it on segmentation (arXiv
# 2002.00718): fine-tuning, with each parameter held by a spring whose stiffness comes from its squared gradients up to
# the end of the previous step. PLOP's authors use 100, SDR's 1000.
method = dict(
    name='EWC',
    hooks=[dict(type='FisherImportanceHook', weight=500.0)],
    base=dict(hooks=[dict(type='FisherImportanceHook')]),
)
