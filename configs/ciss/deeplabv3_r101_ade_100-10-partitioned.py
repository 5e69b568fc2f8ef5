# Every image belongs to one step only, as in MiB; drawn here with a seed. For the lists that MiB
# published, use setting='explicit' and split_files=['.../train-0.txt', '.../train-1.txt', ...].
_base_ = './deeplabv3_r101_ade_100-10.py'
protocol = dict(setting='partitioned')
