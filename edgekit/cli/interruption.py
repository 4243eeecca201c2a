"""Ctrl-C: acknowledged at once by one line that states how to go on; the command then ends with exit status 130."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from edgekit.cli.render import write_message
from edgekit.errors import printable

EXIT_INTERRUPTED = 130
_STDERR, _CLEARED_LINE = 2, "\r\x1b[2K"


@contextlib.contextmanager
def interrupts_acknowledged(advice: Callable[[], str]) -> Iterator[None]:
    """Print one line at the moment of Ctrl-C; when the work has come to its end, exit with status 130.

    What is running may take a while to end: threads finish their images, files are removed. Worker processes inherit
    the handler, but only the process that installed it prints. If interrupts were ignored before, they still are.

    Args:
        advice: returns what was written and how to go on. It is called in a signal handler.

    Raises:
        SystemExit: the work was interrupted.
    """
    owner, acknowledged = os.getpid(), False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal acknowledged
        if not acknowledged and os.getpid() == owner:
            acknowledged = True
            _write_at_once(f"interrupted; {advice()}")
        raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    is_handled = threading.current_thread() is threading.main_thread() and previous not in (signal.SIG_IGN, None)
    if is_handled:
        signal.signal(signal.SIGINT, handle)
    try:
        yield
    except KeyboardInterrupt:
        if not acknowledged:  # another handler raised it, such as that of a training
            write_message(f"interrupted; {advice()}")
        sys.exit(EXIT_INTERRUPTED)
    finally:
        if is_handled:
            signal.signal(signal.SIGINT, previous)


def _write_at_once(text: str) -> None:
    """Write a line to stderr itself: what was interrupted may be printing, or may have redirected `sys.stderr`."""
    start = _CLEARED_LINE if os.isatty(_STDERR) else ""  # in place of a bar, which is drawn again below
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"{start}{printable(text)}\n".encode(errors="replace"))


def this_command(*options: str) -> str:
    """The command line that is running, ready to copy, with more options at its end.

    Args:
        options: flags and values to add.
    """
    return shlex.join(["edgekit", *sys.argv[1:], *options])
