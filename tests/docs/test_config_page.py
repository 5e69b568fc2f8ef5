"""docs/config.md names every option that the code reads, and no other."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

from mmciss.datasets.exemplars import LABELS, MODES, SELECTIONS, ReplayOptions
from mmciss.engine.runner.schedule import STEP_KEYS
from mmciss.engine.runner.step_config import EXTENSION_KEYS, METHOD_SLOTS
from mmciss.evaluation.confusion import ABSENT_RULES
from mmciss.models.freezing import DROPOUT_POLICIES, NORM_POLICIES, freeze
from mmciss.protocols.build import KEYS
from mmciss.protocols.labels import ALLOWED, PRESETS, LabelPolicy, label_policy
from mmciss.protocols.protocol import SETTINGS
from tests.docs.pages import names_in, tables
from tests.paths import ROOT
from tests.protocols.published_names import PUBLISHED_NAMES

CONFIG = tables(ROOT / 'docs' / 'config.md')
RESULTS = tables(ROOT / 'docs' / 'results.md')
BENCHMARK = tables(ROOT / 'docs' / 'benchmark.md')


def options(head: str) -> set[str]:
    """Returns the first column of a table."""
    return names_in([row[0] for row in CONFIG[head]])


def choices(head: str, name: str) -> set[str]:
    """Returns what a row of a table shows in code font after its name."""
    return names_in(next(row[1:] for row in CONFIG[head] if row[0] == f'`{name}`'))


def test_protocol() -> None:
    head = '`protocol.`'
    assert options(head) == set(KEYS)
    assert choices(head, 'setting') >= set(SETTINGS)


def test_label_policy() -> None:
    head = '`protocol.label_policy.`'
    assert options(head) == {field.name for field in fields(LabelPolicy)} | {'preset'}
    assert choices(head, 'preset') == set(PRESETS)
    for name, allowed in ALLOWED.items():
        assert choices(head, name) == set(allowed)


def test_method() -> None:
    assert options('`method.`') == {*METHOD_SLOTS, 'name', 'base', *EXTENSION_KEYS}
    frozen = '`method.freeze.`'
    assert options(frozen) == set(inspect.signature(freeze).parameters) - {'module', 'key'}
    assert choices(frozen, 'norm') >= set(NORM_POLICIES)
    assert choices(frozen, 'dropout') >= set(DROPOUT_POLICIES)
    memory = '`method.memory.`'
    assert options(memory) == {field.name for field in fields(ReplayOptions)}
    for name, allowed in (('selection', SELECTIONS), ('mode', MODES), ('labels', LABELS)):
        assert choices(memory, name) == {*allowed, f"'{getattr(ReplayOptions, name)}'"}


def test_steps() -> None:
    assert options("`steps.base.`, `steps.later.`, `steps.'3'.`") == set(STEP_KEYS)


def test_environment_variables() -> None:
    code = [
        path.read_text(encoding='utf-8')
        for folder in ('mmciss', 'tools', 'configs', 'tests')
        for path in (ROOT / folder).rglob('*.py')
    ]
    used = {name for text in code for name in re.findall(r'MMCISS_[A-Z0-9_]+[A-Z0-9]', text)}
    assert options('variable') == used


def test_settings_and_presets_elsewhere() -> None:
    assert names_in([row[0] for row in BENCHMARK['setting']]) == set(SETTINGS)
    assert names_in([row[0] for row in RESULTS['rule']]) == set(ABSENT_RULES)
    rows = RESULTS['preset']
    assert names_in([row[0] for row in rows]) == set(PRESETS)
    words = {'ignored': 'ignore', 'background': 'background', 'all': 'all', 'those that show a seen class': 'seen'}
    for presets, *said in rows:
        for name in names_in([presets]):
            policy = label_policy(name)
            assert [words[cell] for cell in said] == [policy.void_train, policy.future_test, policy.test_images]


def test_published_protocols() -> None:
    text = (ROOT / 'docs' / 'benchmark.md').read_text(encoding='utf-8')
    missing = [
        name
        for names in PUBLISHED_NAMES.values()
        for name in names
        if not re.search(rf'(?<![\d-]){name}(?![\d-])', text)
    ]
    assert not missing
