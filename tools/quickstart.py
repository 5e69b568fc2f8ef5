"""Makes an isolated environment in .venv, installs everything and runs the main job, the tests or the checks.

Needs nothing but Python 3.11 or newer with pip. Usage:

    python3 tools/quickstart.py train [arguments of tools/train.py]
    python3 tools/quickstart.py test [arguments of pytest]
    python3 tools/quickstart.py lint      # ruff, codespell and mypy
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = 'configs/shapes/shapes_15-1.py'
CHECKS = (('ruff', 'check'), ('ruff', 'format', '--check'), ('codespell_lib',), ('mypy',))


def python_of(environment: Path) -> Path:
    """Returns the interpreter of a virtual environment."""
    return environment / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')


def install(environment: Path) -> None:
    """Creates the environment and installs mmciss into it, unless that was done for the same requirements."""
    constraints = ROOT / 'requirements' / 'tested.txt'
    wanted = hashlib.sha256(constraints.read_bytes() + (ROOT / 'setup.py').read_bytes()).hexdigest()
    stamp = environment / 'mmciss-installed'
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not python_of(environment).is_file():
        print(f'Creating {environment}', flush=True)
        venv.create(environment, with_pip=True)
    print('Installing the tested versions (several minutes on a slow line)', flush=True)
    subprocess.check_call(
        [
            str(python_of(environment)),
            '-m',
            'pip',
            'install',
            '-q',
            '--disable-pip-version-check',
            '-c',
            str(constraints),
            '-e',
            f'{ROOT}[test]',
        ]
    )
    stamp.write_text(wanted)


def lint(python: str) -> int:
    """Runs every check, also after one that fails, and returns 0 if all passed."""
    failed = []
    for check in CHECKS:
        print(' '.join(check), flush=True)
        if subprocess.call([python, '-m', *check], cwd=ROOT):
            failed.append(' '.join(check))
    if failed:
        print(f'failed: {", ".join(failed)}', flush=True)
    return int(bool(failed))


def main() -> int:
    """Installs, then runs what was asked for."""
    if len(sys.argv) < 2 or sys.argv[1] not in ('train', 'test', 'lint'):
        print(__doc__)
        return 2
    environment = Path(os.environ.get('MMCISS_VENV', ROOT / '.venv'))
    install(environment)
    os.environ.setdefault('GOMP_SPINCOUNT', '0')
    python, rest = str(python_of(environment)), sys.argv[2:]
    if sys.argv[1] == 'lint':
        return lint(python)
    if sys.argv[1] == 'test':
        command = [python, '-m', 'pytest', '-q', '-n', str(min(4, os.cpu_count() or 1)), *rest]
    else:
        # --resume: a second call continues an interrupted run, and does nothing for a finished one.
        command = [python, 'tools/train.py', *(rest or [DEFAULT_CONFIG]), '--resume']
    return subprocess.call(command, cwd=ROOT)


if __name__ == '__main__':
    sys.exit(main())
