"""Runs in a process of its own with limits: answers each file of a folder, and says what it cost.

python child.py MODEL FOLDER       predicts every image in FOLDER with MODEL
python child.py --models FOLDER    opens every .onnx of FOLDER and predicts a gray image
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

import edgekit
from edgekit.errors import EdgekitError

ADDRESS_SPACE = 4 * 2**30  # far above what is allowed; beyond it a bomb ends here and not the machine


def peak_mb() -> float:
    """The most resident memory since the last reset_peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def outcome(answer: object) -> dict[str, object]:
    """What came of a call: its label or its error, seconds of CPU, and megabytes."""
    reset_peak()
    start = time.process_time()
    try:
        said = {"label": answer()}
    except EdgekitError as error:
        said = {"error": type(error).__name__, "message": str(error)}
    except BaseException as error:  # what the tests look for
        said = {"escaped": f"{type(error).__name__}: {error}"[:500]}
    return said | {"seconds": time.process_time() - start, "mb": peak_mb()}


def say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    model, folder = sys.argv[1:]
    gray = np.full((40, 40, 3), 128, np.uint8)
    classifier = None if model == "--models" else edgekit.Classifier(model, threads=1)
    for path in sorted(Path(folder).iterdir()):
        say({"file": path.name})  # known to the parent if this one kills the process
        if classifier is None:
            said = outcome(lambda path=path: edgekit.Classifier(path, threads=1).predict(gray).label)
        else:
            said = outcome(lambda path=path: classifier.predict(path).label)
        say({"file": path.name, **said})


main()
