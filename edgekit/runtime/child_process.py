"""Python in a process of its own: for what may crash, never end, or change the process that it runs in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import EdgekitError


def run_python(
    *arguments: str | os.PathLike[str],
    timeout_s: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What this interpreter, started with these arguments, prints on stdout.

    folder and environment: those of this process where None. Raises EdgekitError with the last line of stderr where it
    fails, and where it does not end in time.
    """
    command = [sys.executable, *(os.fspath(argument) for argument in arguments)]
    try:
        done = subprocess.run(command, check=True, timeout=timeout_s, capture_output=True, cwd=folder, env=environment)
    except subprocess.TimeoutExpired:
        raise EdgekitError(f"a process did not end within {timeout_s:.0f} s") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise EdgekitError(lines[-1] if lines else f"a process ended with status {error.returncode}") from None
    except OSError as error:
        raise EdgekitError(f"a process cannot be started: {error}") from None
    return done.stdout.decode(errors="replace")
