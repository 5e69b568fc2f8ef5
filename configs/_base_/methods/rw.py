# RW, Riemannian walk (ECCV 2018, arXiv 1801.10112), as MiB's authors ran it on segmentation (arXiv 2002.00718): as EWC,
# but the stiffness comes from squared gradients and from the loss reduction per distance. SDR's authors use 1000.
method = dict(
    name='RW', hooks=[dict(type='WalkImportanceHook', weight=100.0)], base=dict(hooks=[dict(type='WalkImportanceHook')])
)
