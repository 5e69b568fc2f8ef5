"""The table in configs/README.md matches the configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.configs.user_configs import CONFIGS, innermost, load, name_of, protocol_of
from tests.paths import ROOT

README = ROOT / 'configs' / 'README.md'
HEADER = ['| config | data set | protocol | setting | steps | model | method |', '|---|---|---|---|---|---|---|']


def row(path: Path) -> str:
    """Returns the line of the table that a config must have."""
    cfg = load(path)
    protocol = protocol_of(cfg)
    dataset = innermost(cfg.train_dataloader.dataset).type.removesuffix('Dataset')
    backbone = cfg.model.backbone.type.rpartition('.')[2]
    detail = cfg.model.backbone.get('depth') or cfg.model.backbone.get('arch') or ''
    model = f'{cfg.model.decode_head.type} + {backbone}{f"-{detail}" if detail else ""}'
    name = f'[{name_of(path)}]({name_of(path)}.py)'
    return (
        f'| {name} | {dataset} | {cfg.protocol.name} | {protocol.setting} | {len(protocol)} | '
        f'{model} | {cfg.method.name} |'
    )


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_each_config_is_in_the_table(path: Path) -> None:
    lines = README.read_text().splitlines()
    assert row(path) in lines, f'configs/README.md needs the line:\n{row(path)}'


def test_the_table_holds_nothing_else() -> None:
    lines = README.read_text().splitlines()
    table = lines[lines.index(HEADER[0]) + 2 :]
    assert table == [row(path) for path in CONFIGS]
