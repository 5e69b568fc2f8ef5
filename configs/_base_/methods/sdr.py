# SDR, Sparse and Disentangled Representations (CVPR 2021, arXiv 2103.06342): MiB's losses, and terms on the backbone's
# last map: old classes keep their mean feature, pixels move close to that of their class, classes keep a distance, few
# channels are active. Published with learning rate 0.001 then 0.0001, batch 8 (4 on ADE20K), 30 epochs (60),
# label_policy='mib'; the distillation weighs 1 to 100 by protocol. The base step only gathers mean features. 'backbone'
# is the backbone's last map. For another layer, change both lines, here and in base. The momentum of the backbone's
# running statistics is the release's, for pretrained weights and steps of thousands of iterations; shorter ones need a
# larger one, as in configs/shapes/methods/sdr.py. See docs/methods/sdr.md.
method = dict(
    name='SDR',
    main_loss=dict(type='UnbiasedCrossEntropyLoss'),
    losses=dict(
        kd=dict(type='UnbiasedDistillationLoss', loss_weight=100.0),
        latent=dict(
            type='PrototypeLoss',
            layer='backbone',
            matching_weight=0.01,
            attraction_weight=0.001,
            repulsion_weight=0.001,
            sparsity_weight=0.001,
        ),
    ),
    freeze=dict(norm_momentum={'backbone.*': 3e-4}),
    base=dict(
        freeze=dict(norm_momentum={'backbone.*': 3e-4}),
        losses=dict(
            latent=dict(
                type='PrototypeLoss',
                layer='backbone',
                matching_weight=0.0,
                attraction_weight=0.0,
                repulsion_weight=0.0,
                sparsity_weight=0.0,
            )
        ),
    ),
)
