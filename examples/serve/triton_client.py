"""Predict with Triton's client, for which the server speaks the Open Inference Protocol.

pip install 'tritonclient[http]'
python examples/serve/triton_client.py MODEL IMAGE [HOST:PORT]
"""

import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton


def main() -> None:
    model, path, *address = sys.argv[1:]
    client = triton.InferenceServerClient(*address or ["127.0.0.1:8000"])
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([Path(path).read_bytes()], dtype=object))
    best = triton.InferRequestedOutput("probabilities", class_count=3)
    for line in client.infer(model, [image], outputs=[best]).as_numpy("probabilities").ravel():
        print(line.decode())  # PROBABILITY:INDEX:LABEL


if __name__ == "__main__":
    main()
