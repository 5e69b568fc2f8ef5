# A closed-form classifier that sees more: sites twice as fine as the embedding, and beside the embedding the map of the
# backbone's last stage but one, in which classes differ that the base step had no reason to tell apart, and the
# embedding's mean over the image: what looks like a horse here and like a cow there is one of both. Neighbouring sites
# vote on their class, unless the labels of the base step, or of old images, show that neighbours are often of different
# classes. Ours. See docs/methods/closed_form_fine.md.
_base_ = './closed_form.py'
method = dict(
    name='Closed form, fine',
    structure=dict(upsample=2, level=-2, image_pool=True, vote_window='labels'),
    statistics=dict(votes=dict(type='VoteErrors')),
    # A finished model of few classes knows less of others (tools/extend.py); more maps and mirror images say more, and
    # sites in doubt are not left to the background.
    exemplars=dict(structure=dict(level=[-3, -2, -1]), statistics=dict(ridge=dict(background=0.5, mirror=True))),
)
