"""One training in several processes, as torchrun starts them: which of them this one is, and what they share."""

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
class TrainingProcess:
    """One of the processes that train a network together: `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and reports to the user."""
        return self.rank == 0

    def share(self, indexes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Every world-th of the indexes, so that each belongs to exactly one process."""
        return indexes[self.rank :: self.world]

    def data_parallel(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over the processes; of a single process, the network itself."""
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


def is_first_process() -> bool:
    """Whether this process is the one that writes and reports, known before the processes are connected."""
    return os.environ.get("RANK", "0") == "0"


def is_only_process() -> bool:
    """Whether torchrun started no other process beside this one."""
    return "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1"


def check_device(name: str) -> None:
    """Raises SpecError for a device that torch or this machine does not have: cpu, cuda and cuda:NUMBER are known."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise SpecError(unknown("device", name, ("cpu", "cuda")))
    available = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= available:
        raise SpecError(f"device {name!r} is not there: torch {torch.__version__} finds {available} CUDA devices")


@contextmanager
def training_process(device: str) -> Iterator[tuple[TrainingProcess, str]]:
    """This process, connected to the others that torchrun started, and the device that it is to use.

    gloo on CPU, nccl on CUDA, one GPU for each process of a machine. Raises SpecError as check_device does.
    """
    check_device(device)
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}" if not is_only_process() else device
        check_device(device)
        torch.cuda.set_device(torch.device(device).index or 0)  # whose generator is seeded in every step
    if is_only_process():
        yield TrainingProcess(), device
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield TrainingProcess(rank=dist.get_rank(), world=dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
