"""Writes the report of a run, or merges several into one: ``python tools/report.py DIR [DIR ...]``."""

import sys

from mmciss.apis.report import main

if __name__ == '__main__':
    sys.exit(main())
