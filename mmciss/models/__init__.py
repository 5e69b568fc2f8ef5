"""Models: the wrapper around a segmentor, its teacher and the slots of a method."""

from mmciss.models import backbones, heads, initializers, labelers, losses, shared, structures
from mmciss.models.decisions import ArgmaxDecision, SigmoidThresholdDecision
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
