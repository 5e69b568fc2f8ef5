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

Written by `python tools/model_table.py`, never by hand; the test suite runs a part of it again and
compares. Each row took one of MMSegmentation's own configs (the one with the shortest name of each
family), divided its widths where that is possible, and went the whole way: build the model, adopt
its weights as the first step, learn a class with the old model as teacher, export, compare, and run
the exported model in plain MMSegmentation. For mmpretrain and timm it is an FCN head on the last map of
each backbone.

{summary}

## Decode heads and backbones of MMSegmentation

{first}

## Backbones of mmpretrain, by scope

`backbone=dict(type='mmpretrain.ConvNeXt', ...)` with `custom_imports = dict(imports=['mmpretrain.models'])`.

{second}

## Backbones of timm, in MMSegmentation's wrapper

`backbone=dict(type='TIMMBackbone', model_name='convnext_atto')`. timm imports torchvision, which must be the build
that belongs to your torch. The wrapper asks timm for pretrained weights unless told otherwise; mmciss switches that off
where it loads weights anyway, in later steps and exported models.

{third}

## What the results mean

- **works**: every layer whose rows are classes was found by building the head with one class more,
  and grows.
- **by an adapter**: more than rows at the end of a layer grows, as listed in
  `mmciss.models.classifiers.grown_parameters`. PointRend starts with the old outputs. Segmenter
  cannot: in the softmax of its self-attention every token has a positive weight, so that a token for
  a new class takes attention from the others, and its last norm is taken over all classes. It starts
  close to the old outputs, and the old model as teacher brings it back. MaskFormer and Mask2Former
  learn as pixel classifiers, see below.
- **needs an adapter**: something else than rows depends on the number of classes, so the old model
  cannot be kept as it is inside the new one.
- **refused**: the model does not predict one of several classes for each pixel.
- **not built here**: a package or a compiled operation was missing where this page was written; it
  says nothing about the head.

## Heads that classify queries

MaskFormer and Mask2Former give each query a mask and a class, or 'no object'. A pixel's score of a
class is the sum over queries of the class's probability times that of the mask, `S`; this is what
they predict, and its logarithm is what mmciss trains and compares. A softmax over `log S` is `S`
divided by its sum over classes, so that every loss and labeler of the toolbox works on it which
reads scores of pixels.

**Kept:** all weights; the prediction, which is the head's own; the row of 'no object', in front of
which new rows are put; MiB's start, which is exact here too (`S` of the old background is that of the
new one plus those of the new classes). The exported model has MMSegmentation's own layout, its
`num_classes` and the list `loss_cls.class_weight` (new classes weigh 1) follow.

**Not kept:** the head's own loss. It matches each labelled segment with a query and calls every
other query 'no object', old classes that nobody labelled too. With it goes the loss of masks for
themselves. Trained are scores: those of the last decoder layer by `loss_decode` of the head (a cross
entropy by default), and those of the earlier layers, at the resolution of the masks, by the mean of
the same loss; a teacher is compared with the last layer only. Only the ratios of `S` between classes
are trained, which is all that the decision reads; confidences of single queries are no longer
calibrated, so use the extended model for semantic segmentation and not for instances. A loss with a
sigmoid per class reads `S / (1 + S)`.

**Refused, naming the key:** what needs the input of a single linear classifier, such as AWT's
attribution, local POD on the embedding (PLOP), and classifiers with auxiliary channels (SSUL, DKD).

A head of your own that derives from one of these works as it is. Another one whose `cls_embed` has
'no object' behind the classes, and whose `forward` gives logits of queries and masks by decoder layer,
needs its name in `mmciss.models.classifiers.grown_parameters.BEHIND`.

They need MMDetection and an mmcv with compiled operations; pip by itself builds mmcv without:

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
