# A closed-form classifier (SegACIL, arXiv 2412.10834, later CFSSeg): the base step trains the network, which then
# stays as it is. Its embedding goes through a fixed random layer and ReLU, and the rows of all classes are the ridge
# regression on everything seen so far, from sums that each step adds to in one pass over its data, without gradient:
# later steps have no training iteration, whatever steps.later says. Not in the paper: sites that earlier steps called
# background are estimated and given to the later class that they show (reveal_hidden). Published with width=8192 and
# gamma=1 on VOC. Finished models need mmciss to be loaded. See docs/methods/closed_form.md.
method = dict(
    name='Closed form',
    structure=dict(type='RandomExpansion', width=1024, gamma=1.0),
    statistics=dict(ridge=dict(type='RidgeCorrelations', threshold=0.5)),
    # Where images of the old data label every old class, or a model has left its sums (tools/extend.py), looking for
    # hidden sites costs more than it finds.
    exemplars=dict(structure=dict(reveal_hidden=False)),
    # A finished model has left no sums (tools/extend.py): it stays as it is, and rows over its embedding are fitted to
    # the new images.
    extension=dict(
        structure=None,
        statistics=dict(ridge=None, rows=dict(type='FittedRows')),
        initializer=dict(type='FittedInitializer'),
    ),
)
