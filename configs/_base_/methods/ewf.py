# EWF, Endpoints Weight Fusion (CVPR 2023), on MiB: a step ends at a mixture of the weights it began
# with and those it arrived at; the old ones weigh num_old / num_seen. On another host: the hooks line.
# See docs/methods/ewf.md.
_base_ = './mib.py'
method = dict(name='MiB + EWF', hooks=[dict(type='WeightFusionHook', power=1.0)])
