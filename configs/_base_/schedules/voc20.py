# Photographs with all twenty classes on a CPU: the base step learns for 40 epochs, later ones for the papers' 30, and
# steps of a few images for 300 iterations. Later steps have a tenth of the learning rate, as in the papers.
_base_ = './voc6.py'
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')  # bfloat16 on a CPU
steps = dict(
    base=dict(_delete_=True, lr=0.02, epochs=40), later=dict(_delete_=True, lr=0.002, epochs=30, min_iters=300)
)
