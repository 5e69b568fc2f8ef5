# DFT*, the frozen-backbone baseline (arXiv 2508.04267): after the base step only the new classes'
# rows learn, from plain cross entropy; no teacher, nothing stored. See docs/methods/dft.md.
method = dict(
    name='DFT*',
    freeze=dict(
        patterns=['*'], trainable=['*.steps.new.*'], norm='eval_affine_frozen', dropout='eval'))
