"""Runs a network for the stand-in of onnxruntime's Java API: network.py MODEL; requests on stdin, logits on stdout."""

import sys

import numpy as np
import onnxruntime as ort

session = ort.InferenceSession(sys.argv[1])
while line := sys.stdin.buffer.readline():
    name, shape, output = line.decode().split()
    extents = [int(extent) for extent in shape.split(",")]
    pixels = np.frombuffer(sys.stdin.buffer.read(int(np.prod(extents))), np.uint8).reshape(extents)
    logits = session.run([output], {name: pixels})[0].astype("<f4").tobytes()
    sys.stdout.buffer.write(len(logits).to_bytes(4, "big") + logits)
    sys.stdout.buffer.flush()
