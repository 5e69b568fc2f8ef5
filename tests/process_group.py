"""Running a function in several processes that know each other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing as mp


def run_in_group(work: Callable[..., Any], *arguments: Any, world: int = 2, start_method: str = 'spawn') -> list[Any]:
    """Calls ``work(rank, world, *arguments)`` in every process of a group, and returns what each returns.

    Forked processes need not import everything again, but hang where this one has threads that hold locks.
    """
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(_on_rank, (work, world, folder, arguments), nprocs=world, start_method=start_method)
        return [torch.load(f'{folder}/{rank}.pth', weights_only=True) for rank in range(world)]


def _on_rank(rank: int, work: Callable[..., Any], world: int, folder: str, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', f'file://{folder}/group', rank=rank, world_size=world)
    torch.save(work(rank, world, *arguments), f'{folder}/{rank}.pth')
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
