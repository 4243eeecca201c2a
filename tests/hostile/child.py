"""Predicts every file of a folder in a process with limits, and prints what each one cost as JSON Lines.

python child.py MODEL FOLDER       predicts every image in FOLDER with MODEL
python child.py --models FOLDER    opens every .onnx file in FOLDER and predicts a gray image with it
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgekit
from edgekit.errors import EdgekitError

ADDRESS_SPACE = 4 * 2**30  # far above what is allowed; a bomb ends this process rather than the machine


def peak_mb() -> float:
    """Return the peak resident memory since the last reset_peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def outcome(predict: Callable[[], str]) -> dict[str, object]:
    """Return the label or error of a call, its CPU seconds and its peak memory in megabytes."""
    reset_peak()
    start = time.process_time()
    try:
        result = {"label": predict()}
    except EdgekitError as error:
        public = next(kind for kind in type(error).__mro__ if kind.__module__ == "edgekit.errors")
        result = {"error": public.__name__, "message": str(error)}
    except BaseException as error:  # no other error may occur; the tests look for this key
        result = {"escaped": f"{type(error).__name__}: {error}"[:500]}
    return result | {"seconds": time.process_time() - start, "mb": peak_mb()}


def write_line(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    model, folder = sys.argv[1:]
    gray = np.full((40, 40, 3), 128, np.uint8)
    classifier = None if model == "--models" else edgekit.Classifier(model, threads=1)
    for path in sorted(Path(folder).iterdir()):
        write_line({"file": path.name})  # so that the parent knows which file killed the process, if one does
        if classifier is None:
            result = outcome(lambda path=path: edgekit.Classifier(path, threads=1).predict(gray).label)
        else:
            result = outcome(lambda path=path: classifier.predict(path).label)
        write_line({"file": path.name, **result})


main()
