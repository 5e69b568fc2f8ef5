_base_ = ['../../_base_/methods/star_sphere.py', '../../_base_/models/sigmoid_prior.py']
