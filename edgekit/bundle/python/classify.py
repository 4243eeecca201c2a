"""`python classify.pyz photo.jpg`: classifies images with the model in the archive, or tests itself."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from edgekit.bundle.python.self_test import self_test
from edgekit.errors import EXIT_SOME_FAILED, EdgekitError, ImageError, printable
from edgekit.runtime.classifier import Classifier

MODEL = "model.onnx"
NAME = "name.txt"  # NAME in the names of the golden vectors
_EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the program and return its exit status.

    That is 0, 1 for an error, 3 if some of the images could not be read, or 130 after Ctrl-C.

    Args:
        arguments: of the command line.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.images) == options.self_test:
        parser.error("give one or more images, or --self-test")
    try:
        return _run(options)
    except EdgekitError as error:
        _report(str(error).replace("`top`", "--top").replace("`threads`", "--threads"))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return _EXIT_INTERRUPTED
    except OSError as error:  # of stdout: functions that read files raise EdgekitErrors
        if not isinstance(error, BrokenPipeError):  # a closed pipe is how `head` ends a program
            _report(str(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _run(options: argparse.Namespace) -> int:
    with Classifier(_resource(MODEL), threads=options.threads) as classifier:
        if options.self_test:
            golden = Path(sys.argv[0]).resolve().parent / f"{_resource(NAME).decode()}.golden.json"
            return 0 if self_test(classifier, golden, write=_write) else 1
        failed = sum(not _classify(classifier, image, options) for image in options.images)
    return 0 if not failed else 1 if failed == len(options.images) else EXIT_SOME_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="classify.pyz", description="Classify images.")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="image file")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="classes to show (default: 5)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all available cores)")
    parser.add_argument("--json", action="store_true", help="print one JSON document per image")
    parser.add_argument("--self-test", action="store_true", help="compare this machine with the golden vectors")
    return parser


def _classify(classifier: Classifier, image: str, options: argparse.Namespace) -> bool:
    """Print the prediction of an image, or why it cannot be read. Returns whether there is one."""
    try:
        prediction = classifier.predict(image, top=options.top)
    except ImageError as error:
        _report(str(error))
        return False
    if options.json:
        _write(json.dumps({"schema": 1, "path": image, **prediction.to_dict()}))
        return True
    # Of a multi-label model, the labels of the image; they may be none.
    scores = prediction.top if prediction.assigned is None else prediction.assigned
    _write(printable(image))
    for score in scores:
        _write(f"  {score.probability:7.2%}  {printable(score.label)}")
    if not scores:
        _write(f"  {prediction.label}")
    return True


def _resource(name: str) -> bytes:
    return (files("edgekit.bundle.python") / name).read_bytes()


def _write(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201


def _report(error: str) -> None:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
