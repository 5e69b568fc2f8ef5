"""What the README says on its first screens is so."""

from __future__ import annotations

import re

from mmengine.config import Config

import mmciss.register_all
from mmciss.apis.train import config_from_args, parse_args
from mmciss.protocols.build import build_protocol
from tests.docs.pages import code_blocks
from tests.paths import ROOT

TEXT = (ROOT / 'README.md').read_text(encoding='utf-8')


def table(text: str, first: str) -> dict[str, dict[str, str]]:
    """Returns the rows of the first table with a column, by their first cells."""
    blocks = re.findall(r'(?:^\|.*\n)+', text, re.MULTILINE)
    lines = next(block for block in blocks if first in block.partition('\n')[0]).splitlines()
    header, _, *rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def test_the_first_command_learns_six_steps_of_drawn_data() -> None:
    source = (ROOT / 'tools' / 'quickstart.py').read_text(encoding='utf-8')
    config = re.search(r"DEFAULT_CONFIG = '(.*)'", source)
    assert config is not None
    cfg = config_from_args(parse_args([str(ROOT / config[1]), '--resume']))
    assert cfg.resume and f'`{cfg.work_dir}/report.html`' in TEXT
    assert cfg.train_dataloader.dataset.type == 'ShapesDataset' and 'trains six steps' in ' '.join(TEXT.split())
    assert len(build_protocol(cfg.protocol, [f'class {number}' for number in range(20)])) == 6


def test_the_config_shown_is_a_config() -> None:
    (shown,) = code_blocks(ROOT / 'README.md', 'python')
    exec(shown, found := {})
    ours = ROOT / 'configs' / 'ciss' / 'deeplabv3_r101_voc_15-1.py'
    exec(ours.read_text(encoding='utf-8'), real := {})
    assert found['_base_'] == real['_base_'] and found['protocol'].items() <= real['protocol'].items()
    assert {'protocol', 'method', 'steps'} <= Config.fromfile(ours).keys()


def test_results_are_those_of_the_page() -> None:
    page = table((ROOT / 'docs' / 'benchmarks.md').read_text(encoding='utf-8'), 'forgetting')
    short = table(TEXT, 'forgetting')
    assert len(short) > 10
    for name, row in short.items():
        assert row == {key: page[name][key] if key else name for key in row}, name
