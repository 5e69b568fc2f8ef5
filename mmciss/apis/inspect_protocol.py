"""Showing, without training, what a config would do."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.config import Config

from mmciss.apis.command import START_OVER, command_parser, run_command
from mmciss.apis.overrides import add_protocol_arguments, add_step_arguments, read_config
from mmciss.protocols.step import BACKGROUND

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment

TINY_STEP = 20
"""A step with fewer images than this gets a warning."""


EXAMPLES = """examples:
  mmciss inspect configs/shapes/shapes_15-1.py
  mmciss inspect configs/ciss/deeplabv3_r101_voc_15-1.py --setting disjoint --check-data"""


def inspect_protocol(cfg: Config) -> dict[str, Any]:
    """Resolves a config and describes every step, as :func:`inspect_experiment` does."""
    from mmciss.engine.runner.experiment import Experiment

    return inspect_experiment(Experiment.from_cfg(cfg))


def inspect_experiment(experiment: Experiment) -> dict[str, Any]:
    """Describes every step of an experiment.

    Returns:
        ``steps``: one dictionary per step (classes, images, test images, pixels per new class, iterations, epochs,
        learning rate); ``held_out``: the share of the training images that is tested on; ``label_policy``: the
        policy's fields; ``unlabelled``: if the model has a background class and the data set has none, the percentage
        of pixels in training and test data that belong to no class; ``warnings``: sentences.
    """
    rows, warnings = [], []
    for step, plan, num_images in zip(experiment.protocol, experiment.plans, experiment.num_images, strict=True):
        train = experiment.dataset(step.index, 'train')
        test = experiment.dataset(step.index, 'test')
        pixels = np.asarray(train.presence.pixels)[train.indices].sum(0)
        images = np.asarray(train.presence.matrix)[train.indices].sum(0)
        names = experiment.protocol.class_names
        shown = {names[number - 1]: int(pixels[number]) for number in step.new}
        rows.append(
            {
                'step': step.index,
                'classes': [names[number - 1] for number in step.new],
                'domains': list(step.domains),
                'channels': step.num_seen,
                'images': num_images,
                'test_images': len(test),
                'class_images': {names[number - 1]: int(images[number]) for number in step.new},
                'class_pixels': shown,
                'iterations': plan.iterations,
                'epochs': plan.epochs,
                'lr': plan.lr if plan.lr is not None else experiment.cfg.optim_wrapper.optimizer.lr,
            }
        )
        if num_images < TINY_STEP:
            warnings.append(f'step {step.index} has only {num_images} images')
        warnings += [
            f'step {step.index}: no pixel of {name!r} in its images' for name, count in shown.items() if not count
        ]
        if not len(test):
            warnings.append(f'step {step.index} has no test image')
    train, test = experiment.dataset(len(rows) - 1, 'train'), experiment.dataset(len(rows) - 1, 'test')
    unlabelled = (
        None
        if experiment.classes[0] == BACKGROUND or not experiment.protocol[0].background
        else {
            split: round(100 * float(pixels[:, 0].sum() / max(1, pixels.sum())), 2)
            for split, pixels in (('train', train.presence.pixels), ('test', test.presence.pixels))
        }
    )
    return {
        'protocol': experiment.protocol.name,
        'setting': experiment.protocol.setting,
        'held_out': experiment.protocol.held_out,
        'steps': rows,
        'label_policy': {key: str(value) for key, value in vars(train.policy).items()},
        'unlabelled': unlabelled,
        'warnings': warnings,
    }


def _unlabelled(found: dict[str, Any]) -> list[str]:
    """Says what happens to pixels of no class, where the data set has no background class."""
    if found['unlabelled'] is None:
        return []
    policy, share = found['label_policy'], found['unlabelled']
    fates = {'ignore': 'ignored', 'background': "as class 'background'"}
    text = (
        f'the data set has no background class. Pixels of no class (255): {share["train"]:g} % in training, learned '
        f'{fates[policy["void_train"]]}; {share["test"]:g} % in testing, tested {fates[policy["void_test"]]}. '
        f'The headline numbers and the figures leave that class out.'
    )
    lines = [text.replace('learned ignored', 'ignored').replace('tested ignored', 'ignored')]
    if 'background' in (policy['void_train'], policy['void_test']):
        lines.append("protocol.label_policy=dict(void_train='ignore', void_test='ignore') ignores such pixels.")
    return lines


def describe(found: dict[str, Any]) -> str:
    """Turns a result of :func:`inspect_experiment` into text."""
    tested = f', tested on {100 * found["held_out"]:g} % of the training images' if found['held_out'] else ''
    lines = [
        f'protocol {found["protocol"]}, setting {found["setting"]}, {len(found["steps"])} steps{tested}',
        'label policy: ' + ', '.join(f'{key}={value}' for key, value in found['label_policy'].items()),
        *_unlabelled(found),
        '',
    ]
    for row in found['steps']:
        epochs = '' if row['epochs'] is None else f' = {row["epochs"]:g} epochs'
        lines.append(
            f'step {row["step"]}: {row["images"]} train images, {row["test_images"]} test images, '
            f'{row["channels"]} channels, {row["iterations"]} iterations{epochs}, lr {row["lr"]:g}'
        )
        if row['domains']:
            lines.append(f'    domains: {", ".join(row["domains"])}')
        lines += [
            f'    {name:<24} {row["class_images"][name]:>7,} images {row["class_pixels"][name]:>14,} pixels'
            for name in row['classes']
        ]
    lines += [f'warning: {text}' for text in found['warnings']]
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; what training would refuse ends with the same line."""
    parser = command_parser('Show what a protocol does, without training', EXAMPLES)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--check-data',
        action='store_true',
        help='also decode every image and mask, on all cores, and name what cannot be read',
    )
    add_step_arguments(parser)
    add_protocol_arguments(parser)
    args = parser.parse_args(arguments)

    def config(method: str | None) -> Config:
        cfg = read_config(argparse.Namespace(**{**vars(args), 'method': method}))
        cfg.work_dir = cfg.get('work_dir') or 'unused'  # nothing is written
        return cfg

    def work() -> None:
        from mmengine.logging import MMLogger

        import mmciss.register_all
        from mmciss.apis.working_methods import check_method
        from mmciss.engine.display import quiet
        from mmciss.engine.display.display import write_line
        from mmciss.engine.runner.base_step import check_base_step
        from mmciss.engine.runner.experiment import Experiment
        from mmciss.engine.runner.incremental_runner import check_run_steps
        from mmciss.engine.runner.launch import prepare_config

        quiet(MMLogger.get_current_instance(), write_line, logging.INFO)
        cfg = config(args.method)
        if args.check_data:
            from mmciss.datasets.data_check import require_intact_data

            sys.stdout.write(f'{require_intact_data(cfg)}\n\n')
        experiment = Experiment.from_cfg(prepare_config(cfg))
        check_run_steps(cfg.get('run_steps'), experiment.protocol)
        if cfg.get('base_from'):
            check_base_step(cfg.base_from, experiment)
        check_method(experiment, args.method, config)
        sys.stdout.write(describe(inspect_experiment(experiment)) + '\n')

    return run_command(work, START_OVER)
