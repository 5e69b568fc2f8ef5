"""Converts exports of labelling tools into masks: ``python tools/convert_labels.py EXPORT --images DIR --out DIR``."""

import sys

from mmciss.apis.convert_labels import main

if __name__ == '__main__':
    sys.exit(main())
