"""Shows each step's classes, images, labels and schedule without training: ``python tools/inspect_protocol.py CONFIG``."""

import sys

from mmciss.utils.environment import set_thread_defaults

set_thread_defaults()

from mmciss.apis.inspect_protocol import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main())
