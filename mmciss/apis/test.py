"""Testing the model of any step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config, ConfigDict

from mmciss.apis.command import START_OVER, command_parser, run_command
from mmciss.apis.overrides import add_launcher_arguments, add_protocol_arguments, read_config
from mmciss.errors import ConfigError

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment


EXAMPLES = """examples:
  mmciss test configs/shapes/shapes_15-1.py work_dirs/shapes_15-1
  mmciss test configs/shapes/shapes_15-1.py work_dirs/shapes_15-1/step_3/model.pth --show-dir pictures"""


def test_step(cfg: Config, index: int, checkpoint: str | Path) -> dict[str, Any]:
    """Tests a plain checkpoint as the model of one step.

    Args:
        cfg: The config that the run was trained with.
        index: The step.
        checkpoint: ``step_k/model.pth``, or a training checkpoint of that step.

    Returns:
        The metrics by name.

    Raises:
        ConfigError: If the checkpoint is not one of this step and model.
    """
    from mmengine.dist import is_main_process

    from mmciss.engine.display import Display, make_display, shown_on
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.launch import check_work_dir, init_distributed, prepare_config
    from mmciss.engine.runner.make_runner import close_runner, make_test_runner
    from mmciss.evaluation.evaluator import other_results
    from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric

    cfg = prepare_config(cfg)
    kind = cfg.pop('display', 'auto')
    check_work_dir(cfg.work_dir)
    init_distributed(cfg)
    display = make_display(kind) if is_main_process() else Display()
    experiment = Experiment.from_cfg(cfg)
    if not 0 <= index < len(experiment.protocol):
        raise ConfigError(
            f'--step: {index} is no step of {experiment.protocol.name}; allowed: 0 to {len(experiment.protocol) - 1}'
        )
    check_classes(experiment, index, checkpoint)
    with shown_on(display):
        runner = make_test_runner(experiment, index, checkpoint, f'{cfg.work_dir}/test_step_{index}')
        try:
            found = runner.test()
            display.close()
            ours = next(item for item in runner.test_evaluator.metrics if isinstance(item, IncrementalIoUMetric))
            others = other_results(found)
            scores = ', '.join(f'{name} {value:.2f}' for name, value in found.items() if name not in others)
            for line in (ours.table, scores, *(f'{name}: {value}' for name, value in others.items())):
                display.show(line)
            return found
        finally:
            close_runner(runner)


def check_classes(experiment: Experiment, index: int, checkpoint: str | Path) -> None:
    """Refuses a checkpoint whose classes are in another order; its weights would load all the same.

    Args:
        experiment: The experiment that the config describes.
        index: The step.
        checkpoint: The checkpoint; class names that the data set does not know are not compared.

    Raises:
        ConfigError: Naming the first class that differs.
    """
    from mmciss.datasets.class_names import class_names
    from mmciss.utils.checkpoints import read_checkpoint

    names = experiment.protocol[index].names
    found = class_names(read_checkpoint(checkpoint).get('meta'), len(names))[0]
    if set(found) <= {*names[:1], *experiment.classes} and found != tuple(names):
        place = next(place for place, pair in enumerate(zip(found, names, strict=True)) if pair[0] != pair[1])
        raise ConfigError(
            f'checkpoint: channel {place} of {checkpoint} is {found[place]!r}, but {names[place]!r} in step '
            f'{index} of {experiment.protocol.name} with this config and order (protocol.order, --order)'
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; wrong input ends with one line instead of a traceback."""
    parser = command_parser(
        'Evaluate the model of a step; method, protocol, setting and order as in training', EXAMPLES
    )
    parser.add_argument('config', help='the config of the run')
    parser.add_argument('checkpoint', help='a run folder, step_k/model.pth, or a training checkpoint of step k')
    parser.add_argument('--step', type=int, help='the step (default: from the path, or the last finished one)')
    parser.add_argument('--work-dir', metavar='DIR', help='folder for the logs (default: test beside the checkpoint)')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the predictions into this folder')
    parser.add_argument('--verbose', action='store_true', help='print the whole log of mmengine')
    add_protocol_arguments(parser)
    add_launcher_arguments(parser)
    args = parser.parse_args(arguments)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    def work() -> None:
        import mmciss.register_all
        from mmciss.engine.runner.launch import check_work_dir

        cfg = read_config(args)
        index, checkpoint = find_step(Path(args.checkpoint), args.step)
        cfg.work_dir = args.work_dir or str(checkpoint.parent / 'test')
        if args.verbose:
            cfg.display = 'verbose'
        if args.show_dir:
            check_work_dir(args.show_dir, '--show-dir')
            cfg.default_hooks.visualization = ConfigDict(type='SegVisualizationHook', draw=True)
            cfg.visualizer.save_dir = args.show_dir
        test_step(cfg, index, checkpoint)

    return run_command(work, START_OVER)


def find_step(path: Path, step: int | None) -> tuple[int, Path]:
    """Finds the step and the checkpoint that a path means.

    Raises:
        ConfigError: If the path does not say which step it is.
        FileNotFoundError: If there is no such checkpoint.
    """
    if path.is_dir():
        folders = sorted(
            (item for item in path.glob('step_*/model.pth') if item.parent.name[5:].isdecimal()),
            key=lambda item: int(item.parent.name[5:]),
        )
        if (path / 'model.pth').is_file():
            path = path / 'model.pth'
        elif not folders:
            raise FileNotFoundError(f'{path} holds no finished step (looked for step_*/model.pth)')
        elif step is not None:
            path = path / f'step_{step}' / 'model.pth'
        else:
            path = folders[-1]
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    if step is None:
        name, _, number = path.parent.name.rpartition('_')
        if name != 'step' or not number.isdigit():
            raise ConfigError(f'--step: cannot tell from {path} which step it is; give --step')
        step = int(number)
    return step, path
