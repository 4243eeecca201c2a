"""Check that `edgekit bench --against naive` measures the time of a real plain script, on one model and image.

    python scripts/bench_naive.py SCRIPT MODEL IMAGE [--rounds 41]

SCRIPT is a plain predictor with a function predict(session, path, mean, std). Both run in turn. Prints one JSON
document: the milliseconds of both, which should agree within 10%, and their ratio with its interval.
"""

from __future__ import annotations

import argparse
import json
import runpy
from pathlib import Path

import numpy as np

from edgekit.bench import naive_script
from edgekit.evaluate.timing import speedup, time_in_turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("script", "model", "image"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    theirs = runpy.run_path(str(options.script))["predict"]
    model, image = str(options.model), str(options.image)
    # Both share one session: two sessions would differ in their memory layout.
    session = naive_script.open_session(model)
    logits = [theirs(session, image, 0.5, 0.5), naive_script.predict(session, image)[0]]
    functions = [lambda: theirs(session, image, 0.5, 0.5), lambda: naive_script.predict(session, image)]
    script, ours = time_in_turn(functions, rounds=options.rounds)
    figures = {"script_ms": float(np.median(script)) * 1e3, "bench_ms": float(np.median(ours)) * 1e3}
    difference = float(np.abs(logits[0] - logits[1]).max())
    figures |= {"script / bench": speedup(script, ours).to_dict(), "logits differ by": difference}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
