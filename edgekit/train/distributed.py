"""Training in several processes, as torchrun starts them: which one this process is, and what they exchange."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edgekit.errors import SpecError, quote, unknown

# A process or machine that died silently must not block the others for longer than this.
_TIMEOUT = timedelta(seconds=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProcess:
    """One of the processes that train a network together.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and reports to the user."""
        return self.rank == 0

    def share(self, indexes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Every `world`-th index, so that each belongs to exactly one process."""
        return indexes[self.rank :: self.world]

    def data_parallel(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over the processes; the network itself if there is only one."""
        return DistributedDataParallel(network) if self.world > 1 else network

    def total(self, counts: Tensor) -> Tensor:
        """The sum of the counts over all processes; they are added in place."""
        if self.world > 1:
            dist.all_reduce(counts)
        return counts

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace the values of the tensors in every process by those in the first one."""
        if self.world > 1:
            for tensor in tensors:
                values = tensor.contiguous()  # the tensor itself, unless its channels come last
                dist.broadcast(values, 0)
                tensor.copy_(values)


def is_first_process() -> bool:
    """Whether this process writes and reports; known before the processes are connected."""
    return os.environ.get("RANK", "0") == "0"


def is_only_process() -> bool:
    """Whether this is the only process of the run."""
    return "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1"


def check_device(name: str) -> None:
    """Check that a device is available.

    Args:
        name: "cpu", "cuda" or "cuda:NUMBER".

    Raises:
        SpecError: the name is not one of these, or torch does not see such a device on this machine.
    """
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise SpecError(unknown("device", name, ("cpu", "cuda")))
    available = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= available:
        raise SpecError(
            f"`device` {quote(name)} is not available: torch {torch.__version__} sees {available} CUDA devices"
        )


@contextmanager
def training_process(device: str) -> Iterator[tuple[TrainingProcess, str]]:
    """Connect this process to the others that torchrun started, if any.

    The processes communicate by gloo on CPU and by nccl on CUDA, where each process of a machine uses its own GPU.

    Args:
        device: "cpu", "cuda" or "cuda:NUMBER".

    Yields:
        This process, and the name of the device that it uses.

    Raises:
        SpecError: the device is not available.
    """
    check_device(device)
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}" if not is_only_process() else device
        check_device(device)
        torch.cuda.set_device(torch.device(device).index or 0)  # its generator is seeded in every step
    if is_only_process():
        yield TrainingProcess(), device
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield TrainingProcess(rank=dist.get_rank(), world=dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
