"""Importing this module adds everything in mmciss to MMSegmentation's registries.

Configs do it with ``custom_imports = dict(imports=['mmciss.register_all'])``.
"""

from __future__ import annotations

from mmciss.utils.environment import import_quietly, set_thread_defaults

set_thread_defaults()
import_quietly()

import mmseg.engine
import mmseg.evaluation
import mmseg.models
import mmseg.visualization

import mmciss.datasets
import mmciss.engine
import mmciss.evaluation.evaluator
import mmciss.models
from mmciss.utils.checkpoints import read_safely

read_safely()
