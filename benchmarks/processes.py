"""Trains each method with one process and with several, at the same total batch size, and compares the results.

usage: python benchmarks/processes.py [--methods mib sdr ...] [--worlds 2 4] [--work-dir DIR]

The network normalises by groups, so that the statistics of a batch play no part. Sums over processes are taken in
another order, so the weights differ in the last digits, and this difference grows over the iterations.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
import torch
import torch.multiprocessing as mp
from mmengine.config import Config

import mmciss.register_all
from mmciss.apis.overrides import use_method
from mmciss.apis.train import train
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.utils.configs import load_config, method_names

BATCH = 4


def config(folder: Path, method: str, world: int) -> Config:
    """Returns a small run of two steps, of the same images in every iteration however many processes share them."""
    cfg = load_config(ROOT / 'configs/shapes/shapes_smoke.py')
    use_method(cfg, method)
    cfg.work_dir, cfg.log_level = str(folder), 'ERROR'
    cfg.train_dataloader.batch_size = BATCH // world
    norm = dict(type='GN', num_groups=4, requires_grad=True)
    cfg.model.backbone.norm_cfg = cfg.model.decode_head.norm_cfg = norm
    if cfg.method.get('memory'):
        cfg.method.memory.size = 8  # the published sizes are larger than the smoke data
    if world > 1:
        cfg.launcher = 'pytorch'
    return cfg


def learn(folder: Path, methods: list[str], world: int) -> None:
    """Trains every method; one that fails says why and does not stop the others."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter('ignore')
    for method in methods:
        try:
            train(config(folder / method, method, world))
        except Exception:
            traceback.print_exc()


def on_rank(rank: int, port: int, folder: str, methods: list[str], world: int) -> None:
    """One of several processes."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.set_num_threads(1)
    learn(Path(folder), methods, world)
    torch.distributed.destroy_process_group()


def difference(one: Path, many: Path) -> tuple[float, int, int]:
    """Compares the last steps of two runs.

    Returns:
        The largest difference of weights relative to each tensor's largest weight, the number of pixels classified
        otherwise, and the number of all pixels.
    """
    index = max(index for index in range(2) if RunFolder(one).result(index))
    weights = [
        torch.load(folder / f'step_{index}/model.pth', weights_only=True)['state_dict'] for folder in (one, many)
    ]
    apart = max(
        float((weights[1][name] - value).abs().max() / value.abs().max().clamp(min=1e-3))
        for name, value in weights[0].items()
        if value.is_floating_point()
    )
    matrices = [np.array(RunFolder(folder).result(index)['confusion']) for folder in (one, many)]
    return apart, int(np.abs(matrices[0] - matrices[1]).sum() // 2), int(matrices[0].sum())


def main() -> int:
    """Prints a row per method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=method_names())
    parser.add_argument('--worlds', nargs='+', type=int, default=[2, 4])
    parser.add_argument('--work-dir')
    args = parser.parse_args()
    folder = Path(args.work_dir or tempfile.mkdtemp())
    learn(folder / '1', args.methods, 1)
    # One process alone would wait for ever for another that refused the method.
    methods = [method for method in args.methods if RunFolder(folder / '1' / method).result(0)]
    for world in args.worlds:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        mp.start_processes(
            on_rank, (port, str(folder / str(world)), methods, world), nprocs=world, start_method='spawn'
        )
    print('| method | ' + ' | '.join(f'{world} processes: weights | pixels' for world in args.worlds) + ' |')
    print('|---|' + '---:|---:|' * len(args.worlds))
    for method in args.methods:
        cells = []
        for world in args.worlds:
            try:
                apart, pixels, total = difference(folder / '1' / method, folder / str(world) / method)
                cells += [f'{apart:.0e}', f'{pixels} of {total}']
            except (TypeError, FileNotFoundError, ValueError):
                cells += ['–', '–']
        print(f'| {method} | ' + ' | '.join(cells) + ' |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
