# SSUL (NeurIPS 2021, arXiv 2106.11562): everything already learned is frozen; unnamed objects are one more class,
# 'unknown', from which new classes start; every class answers yes or no by itself. Every step has its own 3x3
# convolution before its rows, so loading finished models needs mmciss; structure=None learns only rows, on the frozen
# embedding. Here, as the paper does on ADE20K, all background is unknown. With saliency maps, as on VOC: set
# unknown='saliency' in both labelers, plain_background='background', and load the maps in train_pipeline. Published
# with 0.001 for the backbone and 0.01 for the head at the base step and 0.01 for the new heads later, 50 epochs, batch
# 32 on VOC. See docs/methods/ssul.md.
method = dict(
    name='SSUL',
    main_loss=dict(type='SigmoidCrossEntropyLoss', reduction='valid_mean', negative_index=254),
    losses=dict(unknown=dict(type='AuxiliaryClassifierLoss', positive_index=254, ignore_index=255)),
    labeler=dict(type='UnknownLabeler', unknown='background', threshold=0.7),
    classifier=dict(auxiliary=1, detach_auxiliary=False),
    structure=dict(type='StepHeads'),
    initializer=dict(type='UnknownInitializer'),
    decision=dict(type='UnknownToBackgroundDecision', plain_background='unknown'),
    freeze=dict(
        patterns=['*'],
        trainable=['*.steps.new.*', '*.auxiliary.*', '*.background.*'],
        norm='eval_affine_frozen',
        dropout='eval',
    ),
    # Ten times the later steps' learning rate, which is that of methods that train the network; a ten
    # thousandth of that for the background's head.
    cfg=dict(
        optim_wrapper=dict(
            paramwise_cfg=dict(
                custom_keys={
                    'steps.new.': dict(lr_mult=10.0),
                    '.auxiliary.': dict(lr_mult=10.0),
                    '.background.': dict(lr_mult=10.0 * 1e-4),
                }
            )
        )
    ),
    base=dict(
        main_loss=dict(type='SigmoidCrossEntropyLoss', reduction='valid_mean', negative_index=254),
        losses=dict(unknown=dict(type='AuxiliaryClassifierLoss', positive_index=254, ignore_index=255)),
        labeler=dict(type='UnknownLabeler', unknown='background', threshold=None),
    ),
)
