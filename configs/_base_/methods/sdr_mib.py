# SDR + MiB (arXiv 2103.06342): SDR, and new rows start as shares of the background, as in MiB.
_base_ = './sdr.py'
method = dict(name='SDR + MiB', initializer=dict(type='BackgroundInitializer', bias_shift=True))
