# STAR (NeurIPS 2023): every class answers yes or no by itself, as in DKD. When a step ends, where the
# embeddings of its classes lie is measured; later steps draw embeddings of old classes from that as
# examples of "no" for the new ones. The embedding is kept where the old model sees old classes, and new
# classes keep a distance from old ones. No image is stored. Published with lr 0.001 (0.0001 later), ten
# times that for the head and, later, a hundred times for new rows, 60 epochs, batch 24; pos_weight=30 at
# all steps on ADE20K; label_policy='dkd'. See docs/methods/star.md.
method = dict(
    name='STAR',
    main_loss=dict(type='ReplayBCELoss', pos_weight=4.0),
    losses=dict(
        pkd=dict(type='MaskedFeatureDistillationLoss', loss_weight=5.0),
        cont=dict(type='PrototypeDiscriminationLoss', loss_weight=0.05),
    ),
    shared=dict(replay=dict(type='FeatureReplay', threshold=0.5)),
    statistics=dict(
        sites=dict(type='PredictedSites', threshold=0.5), distributions=dict(type='EmbeddingDistributions')
    ),
    initializer=dict(type='RandomInitializer', weight='kaiming_normal'),
    decision=dict(type='SigmoidThresholdDecision', threshold=0.5),
    freeze=dict(norm='eval_affine_frozen', dropout='eval'),
    # Later, the backbone learns ten times slower than the head, and new rows ten times faster.
    cfg=dict(
        optim_wrapper=dict(
            paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1), 'steps.new.': dict(lr_mult=10.0)})
        )
    ),
    base=dict(main_loss=dict(type='NewClassBCELoss', pos_weight=4.0)),
)
