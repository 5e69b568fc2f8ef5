# GSC (IEEE TMM 2024, arXiv 2307.10822): PLOP with three changes, rebuilt from the abstract and from
# related code of the same authors, not from the paper's equations (docs/methods/gsc.md says what is
# certain). Each has its switch:
#   gradient compensation   --cfg-options method.main_loss=None
#   relation distillation   --cfg-options method.losses.relation=None
#   prototype re-labelling  --cfg-options method.labeler.relabel=False
# The schedule is PLOP's. 'backbone' is the backbone's last map, whatever the backbone.
_base_ = './plop.py'
method = dict(
    name='GSC',
    main_loss=dict(_delete_=True, type='GradientCompensatedCrossEntropyLoss'),
    losses=dict(relation=dict(type='SoftSharpRelationLoss', soft_weight=0.3, sharp_weight=0.1)),
    labeler=dict(_delete_=True, type='PrototypeEntropyLabeler', layer='backbone', thresholds='binned'),
    statistics=dict(
        prototypes=dict(type='ClassPrototypes', layer='backbone'),
        rectified=dict(type='RectifiedEntropyThresholds', layer='backbone'),
    ),
)
