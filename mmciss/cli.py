"""The command ``mmciss``: every tool under one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from mmciss.errors import close_matches
from mmciss.utils.environment import set_thread_defaults
from mmciss.version import __version__

COMMANDS = {
    'train': ('train', 'learn a protocol step by step'),
    'test': ('test', 'evaluate the model of a step'),
    'extend': ('extend', 'add classes to your own trained model'),
    'inspect': ('inspect_protocol', 'show classes, images and schedule of every step, without training'),
    'compare': ('compare', 'run several methods and seeds and merge their results'),
    'report': ('report', 'write the report of a run, or merge several'),
    'convert': ('convert_labels', 'turn exports of labelling tools into masks, and show what was understood'),
    'doctor': ('doctor', 'check the installation: versions, device, and whether a step runs'),
}
"""Module in :mod:`mmciss.apis` and purpose of every command."""
EXAMPLES = """examples:
  mmciss train configs/shapes/shapes_15-1.py
  mmciss train configs/ciss/deeplabv3_r101_voc_15-1.py --method plop --amp
  mmciss extend my_config.py my_checkpoint.pth --images new/images --masks new/masks \\
      --classes horse --work-dir work_dirs/with_horse
  mmciss report work_dirs/*"""


def usage() -> str:
    """Returns the help of the command."""
    rows = '\n'.join(f'  {name:<9} {purpose}' for name, (_, purpose) in COMMANDS.items())
    return (
        'usage: mmciss COMMAND ...\n\nClass-incremental semantic segmentation for MMSegmentation.\n\n'
        f'commands:\n{rows}\n\n'
        f'mmciss COMMAND --help describes a command; mmciss --version prints the version.\n\n{EXAMPLES}\n'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ('-h', '--help'):
        sys.stdout.write(usage())
        return 0 if given else 2
    name, rest = given[0], given[1:]
    if name == '--version':
        sys.stdout.write(f'mmciss {__version__}\n')
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f'mmciss: no command {name!r}.{close_matches(name, COMMANDS)}\n\n{usage()}')
        return 2
    set_thread_defaults()
    sys.argv[0] = f'mmciss {name}'  # what argparse calls the program
    module = importlib.import_module(f'mmciss.apis.{COMMANDS[name][0]}')
    return int(module.main(rest))


if __name__ == '__main__':
    sys.exit(main())
