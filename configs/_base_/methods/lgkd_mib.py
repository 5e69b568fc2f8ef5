# LGKD (ICCV 2023) on MiB: its distillation in the place of MiB's. Both its factors are 1; the release
# has no script for MiB.
_base_ = './mib.py'
method = dict(
    name='MiB + LGKD',
    losses=dict(kd=dict(_delete_=True, type='LabelGuidedDistillationLoss', prev_weight=1.0, novel_weight=1.0)),
)
