"""Output of commands: lines, bars, JSON. stdout is for data, stderr for everything else."""

from __future__ import annotations

import json
import sys
from typing import Any

from edgekit.errors import printable
from edgekit.files import write_whole

_BAR_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def write(text: str) -> None:
    """Print one line of data on stdout at once. Ctrl-C leaves whole lines."""
    encoding = sys.stdout.encoding or "utf-8"
    line = f"{text}\n".encode(encoding, "replace")
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file of the system, as in a notebook
        sys.stdout.write(line.decode(encoding))
        sys.stdout.flush()
        return
    write_whole(descriptor, line)


def write_json(document: Any) -> None:
    """Print one line of JSON on stdout and flush it."""
    write(json.dumps(document, ensure_ascii=True, allow_nan=False))


def write_message(text: str) -> None:
    """Print one line on stderr."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def bar(share: float) -> str:
    """Draw a bar whose length is a share (0 to 1) of the full width, in steps of an eighth of a character."""
    eighths = round(share * _BAR_WIDTH * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def percent(share: float | None) -> str:
    """Format a share as a percentage with two decimals, None as a dash."""
    return "-" if share is None else f"{100 * share:.2f}%"


def signed(points: float) -> str:
    """Format percentage points with their sign and two decimals; what rounds to zero has no minus sign."""
    return f"{round(points, 2) + 0.0:+.2f}"
