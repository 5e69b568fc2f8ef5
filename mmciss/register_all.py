"""Importing this module adds everything in mmciss to MMSegmentation's registries.

Configs do it with ``custom_imports = dict(imports=['mmciss.register_all'])``.
"""

from __future__ import annotations

from mmciss.utils.environment import import_quietly, set_thread_defaults

set_thread_defaults()
import_quietly()

import mmseg.engine  # noqa: E402, F401
import mmseg.evaluation  # noqa: E402, F401
import mmseg.models  # noqa: E402, F401
import mmseg.visualization  # noqa: E402, F401

import mmciss.datasets  # noqa: E402, F401
import mmciss.engine  # noqa: E402, F401
import mmciss.evaluation.evaluator  # noqa: E402, F401
import mmciss.models  # noqa: E402, F401
from mmciss.utils.checkpoints import read_safely  # noqa: E402

read_safely()
