"""`edgekit`: where its script begins, and what every error becomes."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import warnings

from edgekit.cli.predict.fast_parser import parse
from edgekit.cli.render import say
from edgekit.errors import EdgekitError

_EXIT_INTERRUPTED = 130


def script() -> None:
    """`main` as a program of its own, which after a prediction ends at once: an orderly end takes 30 ms."""
    code: str | int | None = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    if sys.argv[1:2] == ["predict"] and isinstance(code, int):
        with contextlib.suppress(OSError):  # of help; every answer was flushed when it was written
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def main() -> None:
    """Run the command line; every error that edgekit raises becomes one line on stderr and an exit code."""
    warnings.simplefilter("ignore")  # a picture library's warnings are not for the user of a command
    try:
        _run(sys.argv[1:])
    except EdgekitError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(_EXIT_INTERRUPTED)
    except OSError as error:  # of stdout, most likely: what writes files says more
        if not isinstance(error, BrokenPipeError):  # the reader of our output has seen enough
            say(f"error: {error}")
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
