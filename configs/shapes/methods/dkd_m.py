_base_ = ['../../_base_/methods/dkd_m.py', '../../_base_/models/sigmoid_prior.py']
