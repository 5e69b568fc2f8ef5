"""What a user calls: training, testing, inspecting a protocol, extending a model."""

from mmciss.apis.extend import extend
