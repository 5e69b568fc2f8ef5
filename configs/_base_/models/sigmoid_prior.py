# For methods whose classes answer yes or no by themselves, on networks that learn from nothing: at the start every
# class says "no" with probability 0.98 instead of 0.5, as in focal loss (arXiv 1708.02002, section 4.1). Else a short
# base step spends its first iterations on learning that most pixels are not of most classes.
model = dict(decode_head=dict(init_cfg=dict(type='Normal', std=0.01, bias=-4.0, override=dict(name='conv_seg'))))
