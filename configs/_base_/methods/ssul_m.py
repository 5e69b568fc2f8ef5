# SSUL-M (arXiv 2106.11562): SSUL, and half of every batch are stored images, 100 in all (300 on
# ADE20K), labelled with every class seen so far. See docs/methods/ssul.md.
_base_ = './ssul.py'
method = dict(name='SSUL-M', memory=dict(size=100, selection='class_balanced', mode='batch', labels='full'))
