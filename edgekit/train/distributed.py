"""One training in several processes, as torchrun starts them: this process's place among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edgekit.errors import SpecError, unknown

# A process that has died without a word, or its machine, must not hold the others for longer than this.
_TIMEOUT = timedelta(seconds=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which of the processes this is: `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def share(self, indexes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Of the indexes, every world-th, so that each falls to exactly one process."""
        return indexes[self.rank :: self.world]

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over the processes; alone, the network itself."""
        return DistributedDataParallel(network) if self.world > 1 else network

    def total(self, counts: Tensor) -> Tensor:
        """The sum of the processes' counts."""
        if self.world > 1:
            dist.all_reduce(counts)
        return counts

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


def leads() -> bool:
    """Whether this process is the one that writes and talks, known before the processes have met."""
    return os.environ.get("RANK", "0") == "0"


def is_alone() -> bool:
    """Whether torchrun started no other process beside this one."""
    return "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1"


def check_device(name: str) -> None:
    """Raises SpecError for a device that neither torch nor this machine has: cpu, cuda and cuda:NUMBER are known."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise SpecError(unknown("device", name, ("cpu", "cuda")))
    there = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= there:
        raise SpecError(f"device {name!r} is not there: torch {torch.__version__} finds {there} CUDA devices")


@contextmanager
def joined(device: str) -> Iterator[tuple[Place, str]]:
    """This process's place in the job that torchrun started, or alone, and the device that it is to use.

    gloo on CPU, nccl on CUDA, one GPU for each process of a machine. Raises SpecError as check_device does.
    """
    check_device(device)
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}" if not is_alone() else device
        check_device(device)
        torch.cuda.set_device(torch.device(device).index or 0)  # whose generator is seeded in every step
    if is_alone():
        yield Place(), device
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield Place(rank=dist.get_rank(), world=dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
