# The shapes with MaskFormer, whose head learns with its own loss. From random weights its transformer needs longer than
# this: docs/methods/comformer.md starts from a backbone that knows the shapes.
_base_ = [
    '../_base_/models/maskformer_tiny.py',
    '../_base_/datasets/shapes_96x96.py',
    '../_base_/schedules/shapes.py',
    '../_base_/methods/comformer.py',
    '../_base_/default_runtime.py',
]
protocol = dict(name='15-1', setting='overlapped', label_policy='plop')
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-2), clip_grad=dict(max_norm=1.0)
)
train_dataloader = dict(batch_size=8)
steps = dict(base=dict(lr=1e-3, iters=600), later=dict(lr=1e-3, iters=200))
