"""HTTP servers as processes: started, asked, measured in /proc (Linux), and ended, even if their user is killed."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE_S = 60.0
# Ends the server, and what it has left, as soon as nobody holds the other end of its stdin.
_KEEPER = """
import os, signal, subprocess, sys
from contextlib import suppress

server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
print(server.pid, flush=True)
sys.stdin.read()
server.terminate()
try:
    status = server.wait(30)
except subprocess.TimeoutExpired:
    status = "killed"
with suppress(ProcessLookupError):
    os.killpg(server.pid, signal.SIGKILL)
print(status, flush=True)
"""


class ServerProcess:
    """A server and its worker processes.

    Args:
        command: what starts it; "{port}" stands for a free port.
        ready: path that returns 200 as soon as the server is ready; None if the server accepts no connection before.
        environment: variables that are set for it.
    """

    def __init__(
        self, command: Sequence[object], *, ready: str | None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = _free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the server)
        words = [str(word).replace("{port}", str(self.port)) for word in command]
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", _KEEPER, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            text=True,
            start_new_session=True,  # Ctrl-C, or a signal to the group of its user, must not end it before the server
        )
        self.pid = int(self._keeper.stdout.readline())
        self._wait_until_ready(ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @property
    def processes(self) -> list[int]:
        """The numbers of its processes, its descendants included."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            fields = _fields(stat)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, waiting = [], [self.pid]
        while waiting:
            found.append(waiting.pop())
            waiting += children.get(found[-1], [])
        return found

    @property
    def is_alive(self) -> bool:
        """Whether its first process runs."""
        fields = _fields(Path(f"/proc/{self.pid}/stat"))
        return bool(fields) and fields[0] != "Z"

    @property
    def cpu_s(self) -> float:
        """CPU seconds of its processes so far, in user mode and in the kernel; ended children count, too."""
        every = [_fields(Path(f"/proc/{pid}/stat")) for pid in self.processes]
        return sum(int(value) for fields in every if fields for value in fields[11:15]) / _TICKS

    @property
    def megabytes(self) -> float:
        """Resident memory of its processes."""
        total = 0
        for pid in self.processes:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:  # it has just ended
                continue
            if "VmRSS:" in status:
                total += int(status.split("VmRSS:")[1].split()[0])
        return total / 1024

    def log(self) -> str:
        """What it has written to stderr so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> str:
        """End it by SIGTERM; its exit status, or "killed" if it did not end in 30 s."""
        status, _ = self._keeper.communicate()
        return status.strip()

    def _wait_until_ready(self, path: str | None) -> None:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and self.is_alive:
            try:
                if self.get(path or "/")[0] == 200 or path is None:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.close()
        raise RuntimeError(f"the server did not start: {self.log()[-2000:]}")


def edgekit_server(*arguments: object) -> ServerProcess:
    """`edgekit serve` with these arguments."""
    command = [sys.executable, "-m", "edgekit", "serve", *arguments, "--port", "{port}"]
    return ServerProcess(command, ready="/v2/health/ready")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _fields(stat: Path) -> list[str]:
    """The fields of a /proc/PID/stat from the state on; none if the process has ended."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
