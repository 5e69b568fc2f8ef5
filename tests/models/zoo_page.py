"""``docs/models.md``: written from rows, and read back."""

from __future__ import annotations

from dataclasses import dataclass

WORKS, ADAPTER, REFUSED, NOT_HERE = 'works', 'needs an adapter', 'refused', 'not built here'


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    family: str
    backbone: str
    head: str
    layers: str
    method: str
    result: str
    reason: str


HEADER = ('family', 'backbone', 'head', 'layers that grow', 'method', 'result', 'why')
PAGE = """# Which models work

`python tools/model_table.py` writes this page; the test suite repeats part of it and compares. Each row takes one of
MMSegmentation's own configs (the one with the shortest name in its family), makes it narrower where possible, and goes
all the way: build the model, adopt its weights as the first step, learn a class with the old model as teacher, export,
compare, and run the exported model in plain MMSegmentation. Backbones of mmpretrain and timm get an FCN head on their
last map.

{summary}

## Decode heads and backbones of MMSegmentation

{first}

## Backbones of mmpretrain, by scope

`backbone=dict(type='mmpretrain.ConvNeXt', ...)` with `custom_imports = dict(imports=['mmpretrain.models'])`.

{second}

## Backbones of timm, in MMSegmentation's wrapper

`backbone=dict(type='TIMMBackbone', model_name='convnext_atto')`. timm imports torchvision, whose build must match your
torch. By default the wrapper downloads pretrained weights; mmciss switches that off where it loads weights anyway, in
later steps and exported models.

{third}

## A frozen foundation model

[`fcn_dinov2-s14.py`](../configs/_base_/models/fcn_dinov2-s14.py) and [`fcn_dinov2-b14.py`](../configs/_base_/models/fcn_dinov2-b14.py)
put one linear layer on a frozen DINOv2 (mmpretrain's `VisionTransformer`, whose published weights they download);
`configs/ciss/fcn_dinov2-*_voc_15-1.py` train it.

- `model.backbone.frozen_stages=12` freezes all layers, which then keep no maps for a gradient. Only the classifier learns,
  and the teacher is the student's own network: one pass of the backbone serves both. `frozen_stages=-1` trains it all.
- Patches have 14 pixels. Position embeddings are interpolated to the size of the images, and images of other sizes are padded
  to whole patches, so any data set fits; crops of a multiple of 14 waste nothing (`voc12_aug_518x518.py`).
- Their method, the [fine closed form](methods/closed_form_fine.md), removes the classifier that the base step trains. With
  `--cfg-options steps.base.iters=0` none is trained, and no gradient is computed at all.
- A finished model is extended like any other; with `tools/extend.py --method closed_form` nothing but the new rows changes.

No weights of DINOv2 were at hand, so the runs behind these lines had random ones, and no IoU was measured.

## What the results mean

- **works**: every layer with one row per class was found, by building the head with one more class, and grows.
- **by an adapter**: not only rows at the end of a layer grow, as listed in
  `mmciss.models.classifiers.grown_parameters`. PointRend starts with the old outputs. Segmenter cannot: in the softmax of
  its self-attention every token has a positive weight, so a token for a new class takes attention from the others, and
  its last norm runs over all classes. It starts close to the old outputs, and the old model as teacher brings it back.
  Methods that start new rows as the background's give new tokens the background's.
  MaskFormer and Mask2Former learn with losses of pixels or with their own, see below.
- **needs an adapter**: something other than rows depends on the number of classes, so the new model cannot contain the
  old one unchanged.
- **refused**: the model does not predict one of several classes for each pixel.
- **not built here**: a package or a compiled operation was missing where this page was written; this says nothing about
  the head.

## Heads that classify queries

MaskFormer and Mask2Former give each query a mask, and a class or 'no object'. A pixel's score `S` for a class is the sum,
over queries, of the class probability times the mask probability. The heads predict from `S`; mmciss trains and compares
its logarithm. A softmax over `log S` is `S` divided by its sum over classes, so every loss and labeler that reads scores
of pixels works.

**Kept:** all weights; the head's own prediction; the row of 'no object', with new rows inserted before it; MiB's start,
which is exact here too (`S` of the old background is that of the new one plus those of the new classes). The exported
model has MMSegmentation's own layout; its `num_classes` and the list `loss_cls.class_weight` (new classes weigh 1) are
adapted.

**New rows** should start as a new layer's (`--cfg-options method.initializer=None`). MiB's start (`BackgroundInitializer`)
is exact here, but in the one comparison there is, classes that start so were not learned at all: a query that shows an
object hardly ever says background, so their probability is likely to start near 0 just where they are
([CoMFormer](methods/comformer.md)).

**The loss** is the method's choice.

- **Of pixels**, unless the method says otherwise. Scores are trained: those of the last decoder layer with the head's
  `loss_decode` (cross entropy by default), and those of the earlier layers, at the resolution of the masks, with the mean
  of the same loss; the teacher is compared with the last layer only. Only the ratios of `S` between classes are trained,
  which is all that the decision depends on. Confidences of single queries are no longer calibrated, so use the extended
  model for semantic segmentation, not for instances. A loss with a sigmoid per class reads `S / (1 + S)`.
- **The head's own**, with `method.main_loss=dict(type='SetLoss')`: bit by bit that of plain MMSegmentation, with the
  matching, factors and points of the head's config. It matches each labelled segment with a query and calls every other
  query 'no object', even if it shows an old class that is not labelled; so the method needs a labeler that adds old
  classes. [CoMFormer](methods/comformer.md) is made for it. Losses that compare scores of pixels can be added; weights
  of pixels, as PLOP's labeler gives them, are not read.

**Refused, naming the key:** anything that needs the input of a single linear classifier, such as AWT's attribution,
local POD on the embedding (PLOP), and classifiers with auxiliary channels (SSUL, DKD).

A head of your own that derives from one of these works as it is. Another one whose `cls_embed` has
'no object' after the classes, and whose `forward` gives logits of queries and masks by decoder layer,
needs its name in `mmciss.models.classifiers.grown_parameters.EXTRA_ROWS`.

They need MMDetection and an mmcv with compiled operations, which pip does not build by default:

```bash
pip install "mmciss[mask2former]"
pip install --no-build-isolation --no-binary onedl-mmcv --no-cache-dir --force-reinstall --no-deps onedl-mmcv
```
"""


def page(rows: list[Row]) -> str:
    """Writes the whole page."""
    counts = {result: sum(row.result == result for row in rows) for result in (WORKS, ADAPTER, REFUSED, NOT_HERE)}
    heads = sorted({row.head for row in rows if row.result == WORKS})
    summary = ', '.join(f'{count} {result}' for result, count in counts.items() if count)
    summary += f'. Decode heads that work: {", ".join(heads)}.'
    theirs, timm = ([row for row in rows if row.family.startswith(prefix)] for prefix in ('mmpretrain.', 'timm.'))
    ours = [row for row in rows if row not in theirs and row not in timm]
    return PAGE.format(summary=summary, first=table(ours), second=table(theirs), third=table(timm))


def table(rows: list[Row]) -> str:
    """Writes rows in Markdown."""
    from mmciss.evaluation.markdown import table as markdown

    cells = [
        [f'**{row.family}**', row.backbone, row.head, row.layers, row.method, row.result, row.reason] for row in rows
    ]
    return markdown(HEADER, cells, text_columns=len(HEADER))


def read_rows(text: str) -> dict[str, Row]:
    """Reads the rows of :func:`page` by family."""
    lines = [line for line in text.splitlines() if line.startswith('| **')]
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]
    rows = [Row(row[0].strip('*'), *row[1:]) for row in cells]
    return {row.family: row for row in rows}
