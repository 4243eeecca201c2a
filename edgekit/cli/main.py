"""The entry point of `edgekit`: errors become one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import warnings

from edgekit.cli.predict.fast_parser import parse
from edgekit.cli.render import write_message
from edgekit.errors import EdgekitError

_EXIT_INTERRUPTED = 130


def script() -> None:
    """`main` as a process of its own, which after `predict` ends without clean-up: that would take 30 ms."""
    code: str | int | None = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    if sys.argv[1:2] == ["predict"] and isinstance(code, int):
        with contextlib.suppress(OSError):  # of help; every prediction was flushed when it was written
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def main() -> None:
    """Run the command line; every error that edgekit raises becomes one line on stderr and an exit code."""
    warnings.simplefilter("ignore")  # an image library's warnings are not for the user of a command
    try:
        _run(sys.argv[1:])
    except EdgekitError as error:
        write_message(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        write_message("interrupted")
        sys.exit(_EXIT_INTERRUPTED)
    except OSError as error:  # of stdout, most likely: what writes files raises its own errors
        if not isinstance(error, BrokenPipeError):  # the reader of our output has closed it
            write_message(f"error: {error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EdgekitError.exit_code)


def _run(arguments: list[str]) -> None:
    options = parse(arguments[1:]) if arguments[:1] == ["predict"] else None
    if options is not None:
        # No matrix is multiplied outside of onnxruntime, so numpy's library need not start threads for it.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        gc.disable()  # imports make many objects and no garbage
        from edgekit.cli.predict.run import predict

        gc.freeze()
        gc.enable()
        predict(options)
    else:
        from edgekit.cli.app import app

        app()
