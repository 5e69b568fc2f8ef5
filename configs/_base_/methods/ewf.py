# EWF, Endpoints Weight Fusion (CVPR 2023), on MiB: a step ends with a mixture of its initial and its trained weights;
# the latter have the weight sqrt(new classes / channels known). Rows of earlier steps, the background's included, are
# frozen once MiB's start has shifted the background's bias. As released; its ADE20K scripts for 100-10 and 100-5 distil
# with 100 (configs/recipes). See docs/methods/ewf.md.
_base_ = './mib.py'
method = dict(name='MiB + EWF', freeze=dict(patterns=['*.steps.old.*']), hooks=[dict(type='WeightFusionHook')])
