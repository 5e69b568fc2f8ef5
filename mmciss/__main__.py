"""``python -m mmciss`` is the command ``mmciss``."""

import sys

from mmciss.cli import main

sys.exit(main())
