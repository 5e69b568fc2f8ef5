# DKD, Decomposed Knowledge Distillation (NeurIPS 2022, arXiv 2210.05941): every class answers yes or no by itself, and
# the evidence for and against each old class is distilled separately. New classes start from a classifier that was
# trained to say no. Published with lr 0.001 (0.0001 later) and ten times that for the head, 60 epochs, batch 32 on VOC,
# pos_weight=35 at all steps on ADE20K, and label_policy='dkd'. See docs/methods/dkd.md.
method = dict(
    name='DKD',
    main_loss=dict(type='NewClassBCELoss', pos_weight=1.0),
    losses=dict(
        kd=dict(type='SigmoidDistillationLoss', loss_weight=5.0, foreground_only=True),
        dkd=dict(type='DecomposedDistillationLoss', positive_weight=5.0, negative_weight=5.0),
        ac=dict(type='AuxiliaryClassifierLoss'),
    ),
    classifier=dict(auxiliary=1),
    initializer=dict(type='AuxiliaryInitializer'),
    decision=dict(type='SigmoidThresholdDecision', threshold=0.5),
    freeze=dict(norm='eval_affine_frozen', dropout='eval'),
    # Later, the backbone learns ten times slower than the head, and only new rows decay.
    cfg=dict(
        optim_wrapper=dict(
            paramwise_cfg=dict(
                custom_keys={
                    'backbone': dict(lr_mult=0.1, decay_mult=0.0),
                    'neck': dict(decay_mult=0.0),
                    '_head': dict(decay_mult=0.0),
                    'steps.new.': dict(decay_mult=1.0),
                }
            )
        )
    ),
    base=dict(
        main_loss=dict(type='NewClassBCELoss', pos_weight=2.0), losses=dict(ac=dict(type='AuxiliaryClassifierLoss'))
    ),
)
