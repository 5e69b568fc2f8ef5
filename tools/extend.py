"""Adds classes to a trained model: ``python tools/extend.py MODEL_CONFIG CHECKPOINT --images ... --masks ...``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.extend import main

if __name__ == '__main__':
    sys.exit(main())
