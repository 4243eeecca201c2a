"""A command with all its descendants: their wall-clock time, CPU time and memory together, read from /proc (Linux).

This process becomes the parent of what daemons of the command leave behind, so that nothing escapes.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_SUBREAPER = 36  # prctl(PR_SET_CHILD_SUBREAPER)
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_S = 0.25
_FAREWELL_S = 30.0  # daemons that stay longer than the command are killed


class Measured(NamedTuple):
    """What a command took.

    Attributes:
        wall_s: seconds until it ended.
        cpu_s: CPU seconds of all its processes, in user mode and in the kernel.
        peak_mb: largest sum of the memory of all its processes; what they share counts once (PSS).
        status: exit status.
        output: the end of what it wrote.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    status: int
    output: str


def measure(
    command: Sequence[object],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[int], None] = lambda pid: None,
) -> Measured:
    """Run a command to its end, and end what it leaves behind.

    Args:
        command: its words.
        folder: working folder.
        environment: variables that are set for it.
        watch: called with its process number at every sample.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    before, begin = _cpu_of_children(), time.monotonic()
    log = folder / "output.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, stdout=file, stderr=file, env={**os.environ, **(environment or {})}
        )
    seen: dict[int, float] = {}
    peak = 0.0
    while process.poll() is None:
        watch(process.pid)
        pids = descendants(os.getpid())
        seen |= {pid: cpu for pid in pids if (cpu := _cpu_s(pid)) is not None}
        peak = max(peak, sum(map(_pss_mb, pids)))
        time.sleep(_SAMPLE_S)
    wall = time.monotonic() - begin
    end_all(os.getpid())
    # Parents that ignore the end of their children take the CPU time of these with them: then the samples know more.
    cpu = max(_cpu_of_children() - before, sum(seen.values()))
    return Measured(wall, cpu, peak, process.returncode, log.read_text(errors="replace")[-2000:])


def descendants(pid: int) -> list[int]:
    """The numbers of all processes below one, without zombies."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_all(pid: int) -> None:
    """Wait for the descendants of this process, and kill those that do not end."""
    deadline = time.monotonic() + _FAREWELL_S
    while True:
        _reap()
        left = descendants(pid)
        if not left:
            return
        if time.monotonic() > deadline:
            for other in left:
                kill(other)
        time.sleep(0.05)


def kill(pid: int) -> None:
    """Kill a process, which may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cpu_s(pid: int) -> float | None:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:13])) / _TICKS if fields else None


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _fields(stat: Path) -> list[str]:
    """The fields of a /proc/PID/stat from the state on; none if the process has ended."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
