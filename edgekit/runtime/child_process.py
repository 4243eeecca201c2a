"""Python in a child process: for code that may crash, may never end, or changes the process it runs in."""

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
    """Run this interpreter with the arguments, and return what it prints on stdout.

    folder and environment: those of this process if None. Raises EdgekitError if it fails, with the last line of its
    stderr, and if it does not end in time.
    """
    command = [sys.executable, *(os.fspath(argument) for argument in arguments)]
    try:
        done = subprocess.run(command, check=True, timeout=timeout_s, capture_output=True, cwd=folder, env=environment)
    except subprocess.TimeoutExpired:
        raise EdgekitError(f"a child process did not end within {timeout_s:.0f} s") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise EdgekitError(lines[-1] if lines else f"a child process ended with status {error.returncode}") from None
    except OSError as error:
        raise EdgekitError(f"a child process could not be started: {error}") from None
    return done.stdout.decode(errors="replace")
