"""Tests the model of any step: ``python tools/test.py CONFIG RUN_FOLDER [--step K]``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.test import main

if __name__ == '__main__':
    sys.exit(main())
