"""Shows how large the code is, and how many files, objects and unwritten agreements one has to follow.

    python benchmarks/code_size.py                  # this tree
    python benchmarks/code_size.py main             # a revision beside this tree
    python benchmarks/code_size.py --static         # only what needs no training

The second half of the table trains: two steps of PLOP and of MiB on the smallest job, with the code of each tree. One
PLOP iteration is the loss and the backward pass of a step with a teacher; a file counts if one of its functions runs.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from torch import nn

ROOT = Path(__file__).resolve().parent.parent
CONFIG = 'configs/shapes/shapes_smoke.py'
COUNTED = {
    'protocols': ('mmciss', 'Protocol'),
    'IncrementalDatasets': ('mmciss', 'IncrementalDataset'),
    'MMSegmentation data sets': ('mmseg', 'BaseSegDataset'),
    'incremental segmentors': ('mmciss', 'IncrementalSegmentor'),
    'heads': ('mmseg', 'BaseDecodeHead'),
}


def modules(tree: Path) -> dict[str, ast.Module]:
    """Parses every module of mmciss, by name; a package's name ends with ``__init__``."""
    return {
        '.'.join(path.relative_to(tree).with_suffix('').parts): ast.parse(path.read_text(encoding='utf-8'))
        for path in sorted((tree / 'mmciss').rglob('*.py'))
    }


def imported(tree: ast.Module, names: set[str]) -> set[str]:
    """Returns the modules of mmciss that a module imports anywhere, without packages that stand for their modules."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f'{node.module}.{alias.name}' for alias in node.names}
    return found & names


def handshakes(trees: dict[str, ast.Module]) -> list[str]:
    """Lists methods of mmciss's classes that somebody looks for with ``hasattr`` or ``getattr`` and a default."""
    methods = {
        item.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef) and not item.decorator_list
    }
    asked = {
        node.args[1].value
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and (node.func.id, len(node.args)) in (('hasattr', 2), ('getattr', 3))
        and isinstance(node.args[1], ast.Constant)
    }
    return sorted(methods & asked - {'load_data_list'})  # which every data set of MMSegmentation has


def config_arguments(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Counts the functions of each module that take the config of a run as ``cfg``."""
    return {
        name: count
        for name, tree in trees.items()
        if (
            count := sum(
                'cfg' in {argument.arg for argument in node.args.args + node.args.kwonlyargs}
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef)
            )
        )
    }


def static_table(tree: Path) -> dict[str, Any]:
    """Measures the files of a tree."""
    trees = modules(tree)
    lines = [len(path.read_text(encoding='utf-8').splitlines()) for path in (tree / 'mmciss').rglob('*.py')]
    importers = Counter(name for item in trees.values() for name in imported(item, set(trees)))
    cfg = config_arguments(trees)
    asked = handshakes(trees)
    return {
        'Python files': len(lines),
        'lines': sum(lines),
        'lines of the median file': int(statistics.median(lines)),
        'lines of the longest file': max(lines),
        'modules with one importer': sum(importers[name] == 1 for name in trees if not name.endswith('__init__')),
        'functions that take `cfg`': sum(cfg.values()),
        'files with such functions': len(cfg),
        'methods looked for by hasattr or getattr': f'{len(asked)}: {", ".join(asked)}' if asked else 0,
    }


def classes(package: str, name: str) -> list[type]:
    """Finds the classes of a name among all modules of a package that are imported."""
    found = {
        vars(module)[name]
        for module_name, module in list(sys.modules.items())
        if module_name.split('.')[0] == package and isinstance(vars(module).get(name), type)
    }
    return sorted(found, key=lambda kind: kind.__module__)


def count_objects(counts: Counter[str]) -> None:
    """Makes the counted classes count how many of their objects are made."""

    def counting(title: str, init: Callable) -> Callable:
        def __init__(self: Any, *arguments: Any, **options: Any) -> None:  # noqa: N807
            counts[title] += 1
            init(self, *arguments, **options)

        return __init__

    for title, (package, name) in COUNTED.items():
        for kind in classes(package, name):
            kind.__init__ = counting(title, kind.__init__)


def count_used_heads(counts: Counter[str]) -> None:
    """Makes the segmentor count the heads of every model that is trained, its teacher's included."""
    (kind,) = classes('mmciss', 'IncrementalSegmentor')
    (head,) = classes('mmseg', 'BaseDecodeHead')
    original, used = kind.train_step, {}

    def train_step(self: Any, *arguments: Any, **options: Any) -> Any:
        if id(self) not in used:
            networks = [self, *(item for item in vars(self.teacher or self).values() if isinstance(item, nn.Module))]
            # Kept alive, so that no later model gets the same id.
            used[id(self)] = self
            counts['used heads'] += len(
                {id(module) for network in networks for module in network.modules() if isinstance(module, head)}
            )
        return original(self, *arguments, **options)

    kind.train_step = train_step


def files_of_an_iteration(tree: Path, found: set[str]) -> None:
    """Makes the segmentor's first training iteration with a teacher note the files that it crosses."""
    (kind,) = classes('mmciss', 'IncrementalSegmentor')
    original = kind.train_step
    package = str(tree / 'mmciss') + os.sep

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        name = frame.f_code.co_filename
        if event == 'call' and name.startswith(package):
            found.add(name.removeprefix(package))

    def train_step(self: Any, data: Any, optim_wrapper: Any) -> Any:
        if self.teacher is None or found:
            return original(self, data, optim_wrapper)
        with optim_wrapper.optim_context(self):
            data = self.data_preprocessor(data, True)
            sys.setprofile(profile)
            try:
                losses = self(**data, mode='loss')
                parsed, logged = self.parse_losses(losses)
                parsed.backward()
            finally:
                sys.setprofile(None)
        self.zero_grad()
        optim_wrapper.update_params(self.parse_losses(self(**data, mode='loss'))[0])
        return logged

    kind.train_step = train_step


def measure_run(tree: Path, method: str, folder: Path) -> dict[str, Any]:
    """Trains two steps of a method in this process and returns what was counted."""
    for module in pkgutil.walk_packages([str(tree / 'mmciss')], 'mmciss.'):
        if not module.name.endswith('.__main__'):  # importing it runs the command
            importlib.import_module(module.name)
    train = importlib.import_module('mmciss.apis.train')
    counts: Counter[str] = Counter()
    files: set[str] = set()
    arguments = [CONFIG, '--method', method, '--work-dir', str(folder / method)]
    if method == 'plop':
        files_of_an_iteration(tree, files)
    else:
        count_objects(counts)
        count_used_heads(counts)
    if train.main(arguments):
        raise RuntimeError(f'{method} did not train in {tree}')
    return {'files': sorted(files), **counts}


def dynamic_table(tree: Path) -> dict[str, Any]:
    """Trains with the code of a tree, each method in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, 'PYTHONPATH': str(tree), 'OMP_NUM_THREADS': '1'}
        environment |= {'MMCISS_SHAPES_SMOKE': f'{folder}/shapes', 'MMCISS_CACHE': f'{folder}/cache'}
        for method in ('mib', 'plop'):
            command = [sys.executable, __file__, '--measure', method, '--tree', str(tree), '--out', folder]
            done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f'{method} failed in {tree}:\n{done.stdout[-2000:]}{done.stderr[-3000:]}')
            found[method] = json.loads(done.stdout.splitlines()[-1])
    made = found['mib']
    return {
        'files that one PLOP iteration crosses': len(found['plop']['files']),
        **{f'{title} built by two steps of MiB': made.get(title, 0) for title in COUNTED if title != 'heads'},
        'heads built and thrown away by them': made.get('heads', 0) - made.get('used heads', 0),
    }


def measure(tree: Path, static: bool) -> dict[str, Any]:
    """Measures a tree."""
    return static_table(tree) | ({} if static else dynamic_table(tree))


def columns(revision: str | None, static: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measures the revision, if there is one, and this tree."""
    if revision is not None:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / 'tree'
            subprocess.check_call(['git', 'worktree', 'add', '-q', '--detach', str(tree), revision], cwd=ROOT)
            try:
                yield revision, measure(tree, static)
            finally:
                subprocess.check_call(['git', 'worktree', 'remove', '--force', str(tree)], cwd=ROOT)
    yield 'this tree', measure(ROOT, static)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('revision', nargs='?', help='git revision to show beside this tree')
    parser.add_argument('--static', action='store_true', help='train nothing')
    parser.add_argument('--measure', choices=['mib', 'plop'], help=argparse.SUPPRESS)
    parser.add_argument('--tree', type=Path, help=argparse.SUPPRESS)
    parser.add_argument('--out', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure_run(args.tree, args.measure, args.out)))
        return 0
    table = dict(columns(args.revision, args.static))
    print('| | ' + ' | '.join(table) + ' |')
    print('|---|' + '---:|' * len(table))
    for row in next(iter(table.values())):
        print(f'| {row} | ' + ' | '.join(str(column[row]) for column in table.values()) + ' |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
