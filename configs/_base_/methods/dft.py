# DFT*, the frozen-backbone baseline (arXiv 2508.04267): after the base step only rows of the classifier learn, from
# plain cross entropy, without a teacher or stored images. Rows for all future classes exist from the base step on and
# are part of the softmax. Published with 0.02 at the base step and later rates between 0.0005 (VOC 15-1) and 0.1
# (ADE20K). See docs/methods/dft.md.
method = dict(
    name='DFT*',
    classifier=dict(future_rows=True),
    freeze=dict(patterns=['*'], trainable=['*.steps.new.*', '*.future.*'], norm='eval_affine_frozen', dropout='eval'),
)
