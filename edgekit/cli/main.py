"""The entry point of `edgekit`: errors become one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import warnings
from typing import TYPE_CHECKING

from edgekit.cli.interruption import EXIT_INTERRUPTED
from edgekit.cli.predict.fast_parser import parse
from edgekit.cli.render import write_message
from edgekit.errors import DataWarning, EdgekitError

if TYPE_CHECKING:
    from typing import TextIO


def script() -> None:
    """Run `main` as a process of its own, which skips the interpreter's cleanup after `predict`: that takes 30 ms."""
    code: str | int | None = 0
    _open_closed_streams()
    try:
        main()
    except SystemExit as end:
        code = end.code
    if sys.argv[1:2] == ["predict"] and isinstance(code, int):
        with contextlib.suppress(OSError):  # only --help is unflushed; predictions are flushed one by one
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Make closed standard streams (`<&-`, `>&-`, pythonw) empty ones, before other files get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def main() -> None:
    """Run the command line; every error that edgekit raises becomes one line on stderr and an exit code."""
    _show_warnings()
    try:
        _run(sys.argv[1:])
    except EdgekitError as error:
        from edgekit.cli.flag_names import with_flags  # here, because few commands fail

        write_message(f"error: {with_flags(str(error), command=sys.argv[1])}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before or after the work of the command, which acknowledges it and states how to go on
        write_message("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:  # most likely of stdout: functions that write files raise EdgekitErrors
        if not isinstance(error, BrokenPipeError):  # a closed pipe is how `head` ends the command
            write_message(f"error: {error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EdgekitError.exit_code)


def _show_warnings() -> None:
    """Print each warning about data once, as one line; those of other libraries are not meant for users of commands."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        write_message(f"warning: {message}")

    warnings.simplefilter("ignore")
    warnings.simplefilter("once", DataWarning)
    warnings.showwarning = show


def _run(arguments: list[str]) -> None:
    options = parse(arguments[1:]) if arguments[:1] == ["predict"] else None
    if options is not None:
        # numpy multiplies no matrices here, so its library need not start threads for that.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        gc.disable()  # imports create many objects and no garbage
        from edgekit.cli.predict.run import predict

        gc.freeze()
        gc.enable()
        predict(options)
    else:
        from edgekit.cli.app import run

        run()
