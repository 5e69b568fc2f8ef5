# Fine-tuning: the model's own cross entropy and random rows for new classes. The lower bound.
method = dict(name='Fine-tuning')
