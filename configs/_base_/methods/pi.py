# PI, path integral (ICML 2017, arXiv 1703.04200), as MiB's authors ran it on segmentation (arXiv 2002.00718): as EWC,
# but the stiffness comes from how much each parameter reduced the loss in previous steps. This is their release's form;
# gradient='own' is the paper's (see docs/methods/ewc_pi_rw.md). PLOP's authors use 100, SDR's 1000.
method = dict(
    name='PI', hooks=[dict(type='PathImportanceHook', weight=500.0)], base=dict(hooks=[dict(type='PathImportanceHook')])
)
