_base_ = ['../../_base_/methods/dkd.py', '../../_base_/models/sigmoid_prior.py']
