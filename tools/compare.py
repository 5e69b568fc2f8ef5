"""Runs methods and seeds on one config: ``python tools/compare.py CONFIG --methods mib plop --work-dir DIR``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.compare import main

if __name__ == '__main__':
    sys.exit(main())
