"""The sample images as a page shows them: photograph, masks to lay over it, and the IoU of every class in the image."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmciss.evaluation.confusion import confusion_matrix, iou_from_confusion
from mmciss.evaluation.contact_sheet import IGNORED, Samples, content_size, palette_of
from mmciss.evaluation.summary import plain

VISIBLE = 0.01
"""A class is listed below an image if it has at least this share of the pixels, in the truth or in a prediction."""


def viewer_images(samples: Sequence[Samples], report: Mapping[str, Any], result: Mapping[str, Any]) -> list[Any]:
    """Prepares every sample image.

    Args:
        samples: Those of :func:`.contact_sheet.read_samples`.
        report: The content of ``report.json``.
        result: The ``result.json`` of the last finished step, for the colours.

    Returns:
        Per image ``width`` and ``height``, data URIs of ``photo``, ``truth`` and ``masks`` (one per step), and
        ``classes``: ``name``, ``color``, and ``iou`` per step in percent, None if neither labelled nor predicted, or
        labelled in no test image.
    """
    if not samples:
        return []
    colors = palette_of(result)
    seen = [sum(report['sizes'] if report['run']['joint'] else report['sizes'][: item.step + 1]) for item in samples]
    images = []
    for index, (photograph, label) in enumerate(zip(samples[-1].images, samples[-1].labels, strict=True)):
        height, width = content_size(samples[-1].predictions[index])
        truth = label[:height, :width]
        masks = [item.predictions[index, :height, :width] for item in samples]
        iou = np.full((len(samples), 256), np.nan)
        for row, mask, count, item in zip(iou, masks, seen, samples, strict=True):
            row[:count] = 100 * _image_iou(mask, truth, count)
            row[:count][[value is None for value in report['iou'][item.step][:count]]] = np.nan
        visible = np.max([np.bincount(item.ravel(), minlength=256) for item in (truth, *masks)], axis=0) / truth.size
        names = report['classes']
        listed = [channel for channel in range(len(names)) if visible[channel] >= VISIBLE]
        images.append(
            {
                'width': width,
                'height': height,
                'photo': data_uri(Image.fromarray(photograph[:height, :width]), 'JPEG', quality=85),
                'truth': mask_uri(truth, colors, report['background']),
                'masks': [mask_uri(mask, colors, report['background']) for mask in masks],
                'classes': [
                    {
                        'name': names[channel],
                        'color': None if report['background'] and channel == 0 else '#' + bytes(colors[channel]).hex(),
                        'iou': plain(np.round(iou[:, channel], 1)),
                    }
                    for channel in listed
                ],
            }
        )
    return images


def _image_iou(prediction: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Returns the IoU ``(count,)`` of one image as fractions; pixels of classes that come later do not count."""
    known = (truth < count) & (prediction < count)
    predicted, label = (torch.from_numpy(np.where(known, item, IGNORED)) for item in (prediction, truth))
    return iou_from_confusion(confusion_matrix(predicted, label, count), absent='mmseg')


def mask_uri(channels: np.ndarray, colors: np.ndarray, background: bool) -> str:
    """Returns a map of channels ``(H, W)`` as a PNG in its colours, in which a background is transparent."""
    picture = Image.fromarray(np.ascontiguousarray(channels))
    shades = colors.copy()
    shades[IGNORED] = 255
    picture.putpalette(shades.tobytes())
    return data_uri(picture, 'PNG', optimize=True, **({'transparency': 0} if background else {}))


def data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    """Returns a picture as a ``data:`` address of a page."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f'data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}'
