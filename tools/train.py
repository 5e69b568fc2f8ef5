"""Learns a protocol step by step: ``python tools/train.py CONFIG``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.train import main

if __name__ == '__main__':
    sys.exit(main())
