"""Which images each class of a report was judged on, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmciss.evaluation.markdown import names, number

FEW_IMAGES = 20


def judging_lines(summary: Mapping[str, Any]) -> list[str]:
    """Says on which test set each class is judged, and what its labels cannot tell."""
    judges = list(dict.fromkeys(item['judged_on'] for item in summary['classes'] if item['judged_on']))
    lines = []
    for key in judges:
        found = summary['sets'][key]
        judged = [item['name'] for item in summary['classes'] if item['judged_on'] == key]
        few = ' So few images tell an IoU only roughly.' if found['images'] < FEW_IMAGES else ''
        lines.append(f'Judged on the {found["images"]} {found["title"]}: {names(judged)}.{few}')
    without = [item['name'] for item in summary['classes'] if item['judged_on'] is None]
    if without:
        lines.append(f'No test image has a pixel labelled as {names(without)}: no IoU, and in no mean.')
    if len(judges) > 1:
        lines.append(
            'A class is judged only where it is labelled. So the means of old and new classes stand on different '
            'images, and there is no mean over all.'
        )
    sets = summary['sets'].values()
    return [
        *lines,
        *(_left_out(found, summary) for found in sets if found['open_pixels']),
        *(_plain(found) for found in sets if _differs(found)),
    ]


def _left_out(found: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    missing = [item['name'] for item in summary['classes'] if item['name'] not in found['labelled']]
    background = summary['classes'][0]['name']
    return (
        f'The {found["title"]} do not label {names(missing)}: such an object is {background!r} in their masks. '
        f'The extended model sees one in {number(found["open_share"], 2)} % of the pixels labelled {background!r}. '
        f'These labels cannot tell whether it is right, so the pixels are left out; counted as mistakes, '
        f'{background} has {number(found["background_if_wrong"], 2)} instead of '
        f'{number(found["classes"][0]["after"], 2)}.'
    )


def _differs(found: Mapping[str, Any]) -> bool:
    return any(
        found[f'mean_{when}'] is not None and number(found[f'mean_{when}'], 2) != number(found[f'plain_mean_{when}'], 2)
        for when in ('before', 'after')
    )


def _plain(found: Mapping[str, Any]) -> str:
    before = '' if found['mean_before'] is None else f'{number(found["plain_mean_before"], 2)} before and '
    return (
        f"MMSegmentation's mIoU over the classes that the {found['title']} label is {before}"
        f'{number(found["plain_mean_after"], 2)} after: it counts what is left out here as mistakes, and a class that '
        f'no pixel shows as 0 once the model predicts it.'
    )
