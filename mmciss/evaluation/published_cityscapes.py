"""Published results on Cityscapes; the format is that of :mod:`mmciss.evaluation.published_voc`.

The two families share protocol names but are different problems: the domain protocols learn all 19
classes from a growing set of cities and have no background; the class protocols learn classes.
"""

from __future__ import annotations

DOMAIN = """
                | | | | 11-5 | 11-1 | 1-1
LwF             | RCIL repository | none | official | 59.7 | 57.3 | 33.0
LwF-MC          | RCIL repository | none | official | 58.7 | 57.0 | 31.4
ILT             | RCIL repository | none | official | 59.1 | 57.8 | 30.1
MiB             | RCIL repository | none | official | 61.5 | 60.0 | 42.2
PLOP            | RCIL repository | none | official | 63.5 | 62.1 | 45.2
RCIL            | RCIL repository | none | official | 64.3 | 63.0 | 48.9
"""

OVERLAPPED = """
                | | | | 14-1 | 10-1
AWT+MiB         | AWT paper | yes | official | 46.9 | 44.9
"""
