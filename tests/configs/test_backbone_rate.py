"""On photographs the pretrained backbone learns a tenth as fast as the head, whatever the method says of rates."""

from __future__ import annotations

import copy

import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from mmciss.apis.overrides import use_method
from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import make_step_config
from mmciss.models.step_context import StepState
from mmciss.utils.configs import method_names
from tests.configs.user_configs import CONFIGS, load, protocol_of

PHOTOGRAPHS = {path.stem: path for path in CONFIGS if path.parent.name in ('voc6', 'voc20')}
CASES = [(name, 'mib') for name in PHOTOGRAPHS]
CASES += [('deeplabv3_mbv2_voc6_3-1', method) for method in method_names() if method != 'mib']


class Network(nn.Module):
    """Named as a segmentor's parts are."""

    def __init__(self) -> None:
        super().__init__()
        self.segmentor = nn.ModuleDict({'backbone': nn.Linear(1, 1), 'decode_head': nn.Linear(1, 1)})


@pytest.mark.parametrize(('config', 'method'), CASES)
def test_the_backbone_learns_a_tenth_as_fast(config: str, method: str) -> None:
    init_default_scope('mmseg')
    cfg = copy.deepcopy(load(PHOTOGRAPHS[config]))
    use_method(cfg, method)
    for step in list(protocol_of(cfg))[:2]:
        made = make_step_config(cfg, step, StepPlan(10, 0.5), StepState('m.pth') if step.index else None)
        wrapper = made.optim_wrapper.to_dict()
        wrapper['type'] = 'OptimWrapper'  # Mixed precision has no rates of its own, and needs a device that has it.
        for key in ('loss_scale', 'dtype'):
            wrapper.pop(key, None)
        network = Network()
        names = {parameter: name for name, parameter in network.named_parameters()}
        rates = {
            names[group['params'][0]].split('.')[1]: group['lr']
            for group in build_optim_wrapper(network, wrapper).optimizer.param_groups
        }
        assert rates == {'backbone': pytest.approx(0.05), 'decode_head': 0.5}
