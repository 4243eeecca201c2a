"""Serves a model with LitServe, as its documentation shows for images.

python serve_with_litserve.py PORT MODEL WORKERS
"""

from __future__ import annotations

import sys
from typing import Any

import litserve as ls

from edgekit import Classifier


class ImageAPI(ls.LitAPI):
    """Predicts the image in a form."""

    def setup(self, device: str) -> None:
        self.classifier = Classifier(sys.argv[2], threads=1)
        self.classifier.warmup()

    # LitServe takes annotations for types of the body. Without them, a form is parsed.
    def decode_request(self, request):  # noqa: ANN001, ANN201
        return request["image"].file.read()

    def predict(self, image: bytes) -> dict[str, Any]:
        return self.classifier.predict(image, top=5).to_dict()

    def encode_response(self, output):  # noqa: ANN001, ANN201
        return output


if __name__ == "__main__":
    server = ls.LitServer(ImageAPI(), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
