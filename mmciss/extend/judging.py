"""Which images each class of a report was judged on, in words."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmciss.evaluation.markdown import names, number


def judging_lines(summary: Mapping[str, Any]) -> list[str]:
    """Says on which test set each class is judged, and what its labels cannot tell."""
    lines = []
    for key, found in summary['sets'].items():
        judged = [item['name'] for item in summary['classes'] if item['judged_on'] == key]
        if judged:
            lines.append(f'Judged on {_images(found)}: {names(judged)}.')
    without = [item['name'] for item in summary['classes'] if item['judged_on'] is None]
    if without:
        lines.append(f'No test image shows a label of {names(without)}: no IoU.')
    used = {item['judged_on'] for item in summary['classes']} - {None}
    if len(used) > 1:
        lines.append('Means over old and over new classes stand on different images, so there is no mean over all; '
                     'a class is judged only where it is labelled.')
    return lines + [_left_out(found, summary) for found in summary['sets'].values() if found['open_pixels']]


def _images(found: Mapping[str, Any]) -> str:
    return f'the {found["images"]} {found["title"]}'


def _left_out(found: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    missing = [item['name'] for item in summary['classes'] if item['name'] not in found['labelled']]
    background = summary['classes'][0]['name']
    return (f'The {found["title"]} do not label {names(missing)}: such an object is {background!r} in their masks. There '
            f'the extended model sees one in {number(found["open_share"], 2)} % of the pixels labelled {background!r}; '
            f'whether rightly, these labels cannot tell, and the pixels are left out; counted as mistakes, '
            f'{background} has {number(found["background_if_wrong"], 2)} instead of '
            f'{number(found["classes"][0]["after"], 2)}.')
