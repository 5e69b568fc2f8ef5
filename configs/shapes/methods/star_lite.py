_base_ = ['../../_base_/methods/star_lite.py', '../../_base_/models/sigmoid_prior.py']
