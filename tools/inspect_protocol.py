"""Shows the classes, images, labels and schedule of each step: ``python tools/inspect_protocol.py CONFIG``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.inspect_protocol import main

if __name__ == '__main__':
    sys.exit(main())
