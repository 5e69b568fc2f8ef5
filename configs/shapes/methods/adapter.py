_base_ = ['../../_base_/methods/adapter.py', '../../_base_/models/sigmoid_prior.py']
