"""Reports as one HTML file that needs no network: what ``report.md`` says, with charts to explore and sample images."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bokeh.embed import json_item
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from mmciss.evaluation.charts import (
    FAINT,
    INK,
    MEAN,
    SOFT,
    comparison_charts,
    curves_chart,
    heatmap_chart,
    method_style,
    run_labels,
)
from mmciss.evaluation.contact_sheet import Samples
from mmciss.evaluation.merged_text import FAILED, OTHER_METHODS, RANKING, failed_text, merged_parts, unfinished_text
from mmciss.evaluation.report_text import run_parts
from mmciss.evaluation.sample_viewer import viewer_images

MOST_BYTES = 5_000_000
"""Sample images are left out of a page that would be larger, the last ones first."""
CLOSED = ('IoU of every class after every step', 'Beside the published numbers', 'What was run', 'How it was learned')
"""Long sections, which are opened by a click."""


def run_page(
    report: Mapping[str, Any],
    samples: Sequence[Samples],
    result: Mapping[str, Any],
    sections: Sequence[Mapping[str, Any]],
    folder: Path,
) -> str:
    """Writes the page of one run.

    Args:
        report: The content of ``report.json``.
        samples: The sample images of every step; may be empty.
        result: The ``result.json`` of the last finished step.
        sections: Further sections with ``title``, ``text`` and ``figures``.
        folder: The folder that paths of ``figures`` are relative to.
    """
    parts = run_parts(report)
    lead, headline = parts.pop('lead'), parts.pop('Result')
    published, setup = ((title, parts.pop(title)) for title in ('Beside the published numbers', 'What was run'))
    blocks: list[dict[str, Any]] = [
        {'title': 'Result', 'text': headline},
        {'title': 'What went wrong', 'findings': report['diagnosis']},
        {'title': 'IoU of every class after every step', 'charts': {'heatmap': heatmap_chart(report)}},
        {'title': 'Old, new and all classes', 'charts': {'curves': curves_chart(report)}},
        {'title': 'The same images after every step', 'images': viewer_images(samples, report, result)},
        {'title': 'Confusion that grew', 'grown': report['grown_confusions']},
        *({'title': title, 'text': text} for title, text in parts.items()),
        *({'title': item['title'], 'text': item['text'], 'figures': item['figures']} for item in sections),
        *({'title': title, 'text': text} for title, text in (published, setup)),
    ]
    learns = {item.step: ', '.join(report['steps'][item.step]['learns']) for item in samples}
    return _page(report['run']['title'], lead, blocks, folder, learns)


def merged_page(problems: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Writes the page of several runs: per problem the methods side by side, of which some can be chosen, and seeds."""
    blocks: list[dict[str, Any]] = []
    for index, problem in enumerate(problems):
        curves, finals = comparison_charts(problem)
        text = merged_parts(problem)
        rows = problem['rows']
        seeds = sorted({label for row in rows for label in run_labels(row)})
        methods = [(row['name'], method_style(place)[0]) for place, row in enumerate(rows)]
        blocks += [
            {'title': problem['problem'], 'text': text['methods']},
            {
                'title': f'Choose methods and runs: {problem["problem"]}',
                'choices': {'methods': methods, 'runs': [MEAN, *seeds]},
                'charts': {f'curves{index}': curves, f'finals{index}': finals},
                'text': text['notes'],
            },
            {'title': RANKING, 'text': text['ranking']},
            {'title': 'Beside the published numbers', 'text': text['published']},
            {'title': OTHER_METHODS, 'text': text['others'], 'closed': True},
        ]
    blocks.append({'title': FAILED, 'text': failed_text(problems)})
    return _page('Results', unfinished_text(problems), blocks, folder)


def _page(
    title: str, lead: str, blocks: Sequence[dict[str, Any]], folder: Path, learns: Mapping[int, str] | None = None
) -> str:
    """Fills the template; blocks without any content are left out."""
    charts = {}
    for key, chart in (pair for block in blocks for pair in block.get('charts', {}).items()):
        chart.name = key
        charts[key] = json_item(chart, key)
    filled = [block for block in blocks if any(value for key, value in block.items() if key not in ('title', 'closed'))]
    images: list[Any] = next((block['images'] for block in blocks if block.get('images')), [])
    here = Path(__file__).parent / 'templates'
    environment = Environment(loader=FileSystemLoader(here), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(markdown=_markdown, embedded=lambda path: _embedded(folder / path))
    environment.policies['json.dumps_kwargs'] = {'sort_keys': False}  # bokeh defines a model where it first stands
    template = environment.get_template('report.html')
    library = Markup('\n'.join(Resources('inline', components=['bokeh'], log_level='warn').js_raw))
    tokens = {'--ink': INK, '--soft': SOFT, '--line': FAINT}
    while True:
        text = template.render(
            title=title,
            lead=lead,
            blocks=filled,
            charts=charts,
            library=library,
            tokens=tokens,
            learns=learns or {},
            closed=CLOSED,
        )
        if not images or len(text.encode()) <= MOST_BYTES:
            return text
        images.pop()


def _markdown(text: str) -> Markup:
    """Renders Markdown. Raw HTML is shown as text, and pictures and links, which could load something, too."""
    parser = MarkdownIt('commonmark', {'html': False}).enable('table').disable(['image', 'link', 'autolink'])
    # Only what is escaped above goes into the page.
    return Markup(parser.render(text))


def _embedded(path: Path) -> str:
    """Returns a PNG as a ``data:`` address; empty if the file is missing."""
    return f'data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}' if path.is_file() else ''
