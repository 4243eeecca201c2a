"""Make the ONNX files and reference logits of peers, inside the environment of their library.

    PYTHON -m peers.make LIBRARY FOLDER PHOTOS NAME...

For each name: FOLDER/NAME/model, as the library exports and saves it, and FOLDER/NAME/reference.npz. What fails is
printed, and the next peer follows; the exit status is 1 then.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from peers.spread import check_spread


def main() -> None:
    library, folder, photos, *names = sys.argv[1:]
    paths = sorted(Path(photos).absolute().iterdir())
    module = importlib.import_module(f"peers.from_{library}")
    failed = 0
    for name in names:
        start = time.monotonic()
        target = Path(folder, name).absolute()
        shutil.rmtree(target, ignore_errors=True)
        (target / "model").mkdir(parents=True)
        try:
            logits, labels = module.make(name, target / "model", paths)
            check_spread(logits)
        except Exception:
            failed = 1
            (target / "error.txt").write_text(traceback.format_exc())
            print(f"{library}/{name}: {traceback.format_exc(limit=-1).splitlines()[-1]}", flush=True)
            continue
        np.savez(
            target / "reference.npz", files=[path.name for path in paths], logits=logits, labels=list(labels or ())
        )
        print(f"made {library}/{name}, {time.monotonic() - start:.0f} s", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
