"""A process that loads one model, predicts once and prints its peak memory: python -m ... MODEL [IMAGE].

With an image the model is an artifact and the image is predicted; without one it is any file, which is run on noise.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Predict once, print one line of JSON."""
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
