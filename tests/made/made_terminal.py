"""A command in a terminal of 80 columns: a process whose stdin, stdout and stderr are a pseudo-terminal."""

import os
import re
import select
import signal
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

WAIT_S = 120
_STEERING = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal(AbstractContextManager["Terminal"]):
    """The running command.

    Args:
        arguments: those of `edgekit`.
        folder: working folder.
        output: file for stdout instead of the terminal.
        environment: variables to set.
    """

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        output: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        import fcntl  # here, because Windows has none of them
        import pty
        import termios

        self.text = ""
        size = struct.pack("HHHH", 24, 80, 0, 0)
        self._pid, self._terminal = pty.fork()
        if not self._pid:  # the child
            signal.signal(signal.SIGINT, signal.default_int_handler)
            fcntl.ioctl(1, termios.TIOCSWINSZ, size)
            os.chdir(folder)
            if output is not None:
                os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), 1)
            variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
            command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
            os.execvpe(sys.executable, command, variables | {"TERM": "xterm"} | dict(environment or {}))

    def read_until(self, pattern: str) -> str:
        """Read until the pattern appears; return all text so far, without control sequences."""
        end = time.monotonic() + WAIT_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text
            assert self._read(), self.text
        return self.text

    def press_ctrl_c(self) -> None:
        """Send Ctrl-C to all processes of the command."""
        os.write(self._terminal, b"\x03")

    def finish(self) -> int:
        """Read the rest and return the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def lines(self) -> list[str]:
        """The lines that were shown, those of bars at every moment included."""
        return [line.rstrip() for line in re.split(r"[\r\n]+", self.text) if line.strip()]

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], WAIT_S)[0]:
            raise TimeoutError(self.text)
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the command is over
            return False
        self.text += _STEERING.sub("", data.decode(errors="replace"))
        return bool(data)

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
