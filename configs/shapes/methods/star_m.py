_base_ = ['../../_base_/methods/star_m.py', '../../_base_/models/sigmoid_prior.py']
