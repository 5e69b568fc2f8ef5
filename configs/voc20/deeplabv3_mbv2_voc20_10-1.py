# Ten classes, then ten single ones, eleven steps, in the published order 'v': cat, boat, chair, pottedplant, cow, bird,
# person, horse, diningtable, car. Order 's' has the train among them, which no image shows.
_base_ = './deeplabv3_mbv2_voc20_15-1.py'
protocol = dict(name='10-1', order='v')
