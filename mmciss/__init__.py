"""mmciss: class-incremental semantic segmentation for MMSegmentation.

Importing this package is cheap: it registers nothing and loads no torch, so that the protocols can be used
alone. ``import mmciss.register_all`` (what every config does through ``custom_imports``) adds the modules of
mmciss to MMSegmentation's registries.
"""

from __future__ import annotations

from mmciss.version import __version__
