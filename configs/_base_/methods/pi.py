# PI, path integral (ICML 2017, arXiv 1703.04200), as MiB's authors ran it on segmentation (arXiv
# 2002.00718): as EWC, with stiffness by how much of the loss each parameter saved during the steps
# before; in their release's form, gradient='own' is the paper's (see docs/methods/ewc_pi_rw.md). PLOP's authors
# use 100, SDR's 1000.
method = dict(
    name='PI', hooks=[dict(type='PathImportanceHook', weight=500.0)], base=dict(hooks=[dict(type='PathImportanceHook')])
)
