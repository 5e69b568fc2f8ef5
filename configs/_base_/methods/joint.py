# Joint training: one step with every class. The upper bound.
method = dict(name='Joint')
protocol = dict(joint=True)
