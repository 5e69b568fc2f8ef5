_base_ = ['../../_base_/methods/star.py', '../../_base_/models/sigmoid_prior.py']
