"""Shows that a change of the code changed no number: methods trained before and after it end with the same bits.

    python benchmarks/bit_equality.py main            # this tree against a revision
    python benchmarks/bit_equality.py main --methods mib plop --reference work_dirs/bits

Each method learns the smallest job in three steps, once with the code of the revision and once with that of this tree.
Every tensor of ``model.pth`` and ``state.pth`` and every confusion matrix must be equal bit by bit. Both sides run on
the same machine: two machines may choose different kernels, and then equal bits cannot be expected.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
METHODS = ('finetuning', 'mib', 'plop', 'sdr', 'dkd_m', 'awt', 'ssul')
OPTIONS = ('--protocol', '10-5', '--cfg-options', 'method.memory.size=8')


def train(tree: Path, methods: list[str], out: Path) -> None:
    """Trains the methods that are not done yet with the code of a tree."""
    environment = {**os.environ, 'PYTHONPATH': str(tree), 'OMP_NUM_THREADS': '1'}
    environment['MMCISS_SHAPES_SMOKE'] = str(out / 'shapes')
    for method in methods:
        if (out / method / 'step_2' / 'result.json').is_file():
            continue
        has_memory = 'memory=dict(' in (tree / f'configs/_base_/methods/{method}.py').read_text()
        command = [sys.executable, 'tools/train.py', 'configs/shapes/shapes_smoke.py', '--method', method]
        command += ['--work-dir', str(out / method), '--resume', *(OPTIONS if has_memory else OPTIONS[:2])]
        print(f'{method}: training with {tree}', flush=True)
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f'{" ".join(command)} failed in {tree}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}')


def tensors(value: Any, name: str = '') -> Iterator[tuple[str, Tensor]]:
    """Gives every tensor of a nested dictionary with its path, empty dictionaries left out."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f'{name}/{key}')


def differences(before: Path, after: Path) -> list[str]:
    """Compares two runs and returns what differs."""
    found = []
    steps = sorted(path.name for path in before.glob('step_*'))
    if steps != sorted(path.name for path in after.glob('step_*')):
        return ['the steps themselves']
    for step in steps:
        for file in ('model.pth', 'state.pth'):
            sides = [dict(tensors(torch.load(run / step / file, weights_only=True))) for run in (before, after)]
            if names := sides[0].keys() ^ sides[1].keys():
                found.append(f'{step}/{file}: only on one side: {sorted(names)[:3]}')
            for name in sides[0].keys() & sides[1].keys():
                old, new = sides[0][name], sides[1][name]
                if old.shape != new.shape or old.dtype != new.dtype:
                    found.append(f'{step}/{file}{name}: {old.shape} {old.dtype} and {new.shape} {new.dtype}')
                elif not torch.equal(old, new):
                    found.append(f'{step}/{file}{name}: by up to {(old.double() - new.double()).abs().max():.3g}')
        results = [json.loads((run / step / 'result.json').read_text()) for run in (before, after)]
        found += [
            f'{step}/result.json: {key}' for key in ('confusion', 'classes') if results[0][key] != results[1][key]
        ]
    return found


def main() -> int:
    """Trains both sides and prints a line per method; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('revision', help='git revision to compare with')
    parser.add_argument('--methods', nargs='+', default=list(METHODS))
    parser.add_argument('--reference', type=Path, help="folder that keeps the revision's runs for the next time")
    args = parser.parse_args()
    revision = subprocess.check_output(['git', 'rev-parse', args.revision], cwd=ROOT, text=True).strip()
    different = False
    with tempfile.TemporaryDirectory() as folder:
        reference = (args.reference or Path(folder) / 'reference').resolve() / revision[:12]
        tree, after = Path(folder) / 'tree', Path(folder) / 'after'
        subprocess.check_call(['git', 'worktree', 'add', '-q', '--detach', str(tree), revision], cwd=ROOT)
        try:
            train(tree, args.methods, reference)
        finally:
            subprocess.check_call(['git', 'worktree', 'remove', '--force', str(tree)], cwd=ROOT)
        train(ROOT, args.methods, after)
        for method in args.methods:
            found = differences(reference / method, after / method)
            different |= bool(found)
            print(f'{method}: {"equal bit by bit" if not found else "; ".join(found[:5])}')
    return int(different)


if __name__ == '__main__':
    sys.exit(main())
