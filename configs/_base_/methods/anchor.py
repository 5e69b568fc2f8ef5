# Anchor, ours: MiB with NeST's start, batch norm as the base step left it, and new rows that learn ten times as fast as
# the network. A step is short and sees few images: its batches would move the statistics on which all old rows rely,
# and its new rows have little time. See docs/methods/anchor.md for what each part is worth.
_base_ = './nest.py'
method = dict(
    name='Anchor',
    freeze=dict(norm='eval_affine_frozen'),
    # Without statistics of the batch nothing tames a step that is too large: at a high learning rate training diverges.
    cfg=dict(
        optim_wrapper=dict(
            clip_grad=dict(max_norm=1.0), paramwise_cfg=dict(custom_keys={'steps.new.': dict(lr_mult=10.0)})
        )
    ),
)
