"""Tests of mmciss.evaluation.report_html: what the page holds, and what a real browser makes of it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmciss.evaluation import report_html
from mmciss.evaluation.contact_sheet import palette_of, read_samples
from mmciss.evaluation.report import write_merged_report, write_report
from mmciss.evaluation.run_record import read_run
from mmciss.evaluation.sample_viewer import mask_uri, viewer_images
from mmciss.evaluation.summary import grown_confusions, summarize_run
from tests.evaluation.synthetic_run import VOC, write_run

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
HOSTILE = '<script>alert(1)</script> ![x](http://example.org/x.png) "quoted" &'


class Page(HTMLParser):
    """Collects tags, addresses and the text outside of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ''
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ('script', 'style'):
            self.text += data

    def addresses(self) -> list[str]:
        return [values[key] for _, values in self.tags for key in ('src', 'href', 'srcset', 'data') if key in values]


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = (*VOC[:-1], HOSTILE)
    folder = write_run(tmp_path_factory.mktemp('html') / 'run', names=names, samples=2)
    write_report(folder)
    return folder


@pytest.fixture(scope='module')
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('merged')
    runs = [write_run(folder / f'{name}{seed}', method=name, seed=seed) for name in ('MiB', 'PLOP') for seed in (0, 1)]
    write_merged_report(runs, folder / 'out')
    return folder / 'out'


def test_a_page_loads_nothing(run: Path, merged: Path) -> None:
    for folder in (run, merged):
        page = Page(folder / 'report.html')
        assert all(address.startswith('data:') for address in page.addresses())
        policy = next(values['content'] for tag, values in page.tags if 'http-equiv' in values)
        assert policy.startswith("default-src 'none'") and 'http' not in policy
        assert (folder / 'report.html').stat().st_size < report_html.MOST_BYTES


def test_names_are_text(run: Path) -> None:
    page = Page(run / 'report.html')
    assert sum(tag == 'script' for tag, _ in page.tags) == 3
    assert page.text.count(HOSTILE) >= 2, 'in the tables and below the images'


def test_the_page_says_what_the_report_says(run: Path) -> None:
    page, report = Page(run / 'report.html'), json.loads((run / 'report.json').read_text())
    assert f'{report["summary"]["exclude"]["with_background"]["all"]:.1f}' in page.text
    for expected in ('MiB on Pascal VOC 15-1', 'split hash', 'MiB paper (official)', 'Confusion that grew'):
        assert expected in page.text
    assert all(item['text'] in page.text for item in report['diagnosis'])
    ids = {values.get('id') for _, values in page.tags}
    assert {'heatmap', 'curves', 'step', 'truth', 'blend'} <= ids
    assert sum(values.get('class') == 'mask' for _, values in page.tags) == 2 * 6


@pytest.mark.parametrize('sizes', [(21,), (16, 5)])
def test_without_samples_and_with_one_step(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    write_report(write_run(tmp_path / 'run', sizes=sizes, finished=1))
    page = Page(tmp_path / 'run' / 'report.html')
    ids = {values.get('id') for _, values in page.tags}
    assert 'heatmap' in ids and 'step' not in ids and 'Confusion that grew' not in page.text


def test_absent_classes_have_no_cell(tmp_path: Path) -> None:
    folder = write_run(tmp_path / 'run', finished=1)
    result = json.loads((folder / 'step_0' / 'result.json').read_text())
    result['confusion'][3] = [0] * 16
    (folder / 'step_0' / 'result.json').write_text(json.dumps(result))
    write_report(folder)
    text = (folder / 'report.html').read_text()
    item = json.loads(re.search(r'id="charts">(.*?)</script>', text, re.DOTALL)[1])['heatmap']
    names = re.findall(r'"name", (\[.*?\])', json.dumps(item))
    assert names and len(json.loads(names[0])) == 15 and 'bird' not in json.loads(names[0])


def test_large_pages_leave_images_out(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_html, 'MOST_BYTES', 0)
    write_report(run, tmp_path)
    assert 'id="step"' not in (tmp_path / 'report.html').read_text()


def test_confusion_that_grew() -> None:
    before = {'classes': ['a', 'b'], 'confusion': [[8, 2], [0, 10]]}
    after = {'classes': ['a', 'b', 'c'], 'confusion': [[5, 2, 3], [1, 9, 0], [9, 0, 1]]}
    expected = [
        {'step': 1, 'true': 'a', 'called': 'c', 'before': 0.0, 'after': 30.0},
        {'step': 1, 'true': 'b', 'called': 'a', 'before': 0.0, 'after': 10.0},
    ]
    assert grown_confusions([before, after]) == [pytest.approx(item) for item in expected]
    assert grown_confusions([None, after]) == grown_confusions([before]) == []


def test_iou_of_an_image(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path / 'run', samples=1))
    image = viewer_images(read_samples(record), summarize_run(record), record.last)[0]
    assert (image['width'], image['height'], len(image['masks'])) == (48, 36, 6)
    found = {item['name']: item['iou'] for item in image['classes']}
    assert found['aeroplane'] == [100.0] * 6
    assert found['tvmonitor'] == [None] * 5 + [100.0], 'not known before the last step'
    assert found['background'] == [100.0] * 6, 'pixels of later classes do not count'
    report = summarize_run(record)
    report['iou'][2][0] = None
    background = viewer_images(read_samples(record), report, record.last)[0]['classes'][0]
    assert background['iou'] == [100.0, 100.0, None, 100.0, 100.0, 100.0], 'labelled in no test image of step 2'


def test_masks_have_their_colours() -> None:
    uri = mask_uri(np.array([[0, 1, 255]], np.uint8), palette_of({'palette': [[0, 0, 0], [200, 100, 0]]}), True)
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(',')[1]))).convert('RGBA')
    pixels = np.asarray(picture)[0].tolist()
    assert pixels[0][3] == 0 and pixels[1:] == [[200, 100, 0, 255], [255, 255, 255, 255]]


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip('no Chromium: looked for chromium, chromium-browser and google-chrome on PATH')
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    with playwright.sync_playwright() as driver:
        # A container's root user cannot start Chromium's sandbox.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'], timeout=120_000)
        yield browser
        browser.close()


def _open(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    page = browser.new_page(**options)
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on('console', lambda message: message.type in ('error', 'warning') and problems.append(message.text))
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.on('request', lambda item: item.url.startswith(('file:', 'data:')) or problems.append(item.url))
    page.goto(path.as_uri())
    page.wait_for_selector('html[data-drawn]')
    return page, problems


@pytest.mark.slow
def test_the_slider_shows_every_step(browser: Any, run: Path) -> None:
    page, problems = _open(browser, run / 'report.html', viewport={'width': 390, 'height': 800}, color_scheme='dark')
    assert page.evaluate('document.documentElement.scrollWidth') == 390, 'wider than a phone'
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') != 'rgb(255, 255, 255)'
    shown = '[...document.querySelectorAll(".stack")].map(s => [...s.children].findIndex((i, n) => n && !i.hidden))'
    assert page.evaluate(shown) == [6, 6]
    page.focus('#step')
    page.keyboard.press('Home')
    assert page.evaluate(shown) == [1, 1] and 'after step 0' in page.inner_text('#now')
    value = page.locator('[data-iou]', has_text='background').first.locator('td').last
    assert float(value.inner_text()) == 100
    page.focus('#truth')
    page.keyboard.press('Space')
    assert page.evaluate(shown) == [7, 7]
    page.keyboard.press('Space')
    page.focus('#step')
    page.keyboard.press('ArrowRight')
    assert page.evaluate(shown) == [2, 2]
    with_mask = page.locator('.stack').first.screenshot()
    page.evaluate('blend.value = 0; blend.dispatchEvent(new Event("input"))')
    assert page.locator('.stack').first.screenshot() != with_mask
    assert not problems
    page.close()


@pytest.mark.slow
def test_cells_tell_their_value(browser: Any, run: Path) -> None:
    page, problems = _open(browser, run / 'report.html', viewport={'width': 1200, 'height': 900})
    chart = page.locator('#heatmap')
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box['x'] + 0.3 * box['width'], box['y'] + 30)
    page.get_by_text(re.compile(r'learned at step \d')).first.wait_for()
    report = json.loads((run / 'report.json').read_text())
    tip = page.get_by_text(re.compile(r'^\d+\.\d %$')).first.inner_text()
    assert tip in [f'{value:.1f} %' for value in report['iou'][0] if value is not None]
    assert not problems
    page.close()


@pytest.mark.slow
def test_methods_and_seeds_can_be_chosen(browser: Any, merged: Path) -> None:
    page, problems = _open(browser, merged / 'report.html')
    visible = """Bokeh.documents.flatMap(d => d.roots()).find(r => r.name == 'curves0').renderers
        .filter(r => r.visible).map(r => r.tags.join(' '))"""
    assert sorted(set(page.evaluate(visible))) == ['0 mean', '1 mean']
    page.locator('.choices input').first.focus()
    page.keyboard.press('Space')
    page.select_option('.choices select', 'seed 1')
    assert set(page.evaluate(visible)) == {'1 seed 1'}
    page.evaluate('() => { delete document.documentElement.dataset.drawn }')
    page.emulate_media(color_scheme='dark')
    page.wait_for_selector('html[data-drawn]')
    assert set(page.evaluate(visible)) == {'1 seed 1'}, 'the choice stays in the other scheme'
    assert not problems
    page.close()
