# Learning without Forgetting (arXiv 1606.09282), as MiB's authors ran it on segmentation (arXiv
# 2002.00718): the teacher's softmax is the soft target of the student's softmax over only the old channels.
method = dict(name='LwF', losses=dict(kd=dict(type='LogitDistillationLoss', loss_weight=100.0)))
