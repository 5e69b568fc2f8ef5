_base_ = ['../../_base_/methods/cogamid.py', '../../_base_/models/sigmoid_prior.py']
