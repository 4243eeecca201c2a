"""A program that loads a model, predicts once and prints its peak memory.

    python -m edgekit.bench.predict_once MODEL [IMAGE]

With an image, MODEL is an edgekit model and predicts it. Without one, MODEL is any ONNX file and runs on noise.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Predict once and print one line of JSON."""
    if len(sys.argv) == 3:
        from edgekit import Classifier

        Classifier(sys.argv[1]).predict(sys.argv[2])
    else:
        _run_once(sys.argv[1])
    from edgekit.bench.naive_script import peak_bytes

    print(json.dumps({"peak_bytes": peak_bytes()}))  # noqa: T201


def _run_once(path: str) -> None:
    from edgekit.artifact.guard.scan import check_model
    from edgekit.artifact.info import read_model
    from edgekit.bench.subject import noise_feed
    from edgekit.runtime.session import open_session

    model = read_model(path)
    check_model(model, name=path)
    session = open_session(model, name=path)
    session.run(None, noise_feed(session, path))


if __name__ == "__main__":
    main()
