"""A threaded web server: POST an image, get the prediction as JSON. All threads share one Classifier.

python examples/web_handler.py [PORT] [MODEL]
curl --data-binary @examples/ship.png http://127.0.0.1:8000/
"""

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgekit import Classifier, ImageError, ImageLimits

LIMITS = ImageLimits(max_bytes=8 * 2**20, max_pixels=25_000_000)  # uploads are untrusted


class Handler(BaseHTTPRequestHandler):
    """Handles each request in a thread of its own."""

    classifier: Classifier
    timeout = 10  # seconds without data from the client

    def do_POST(self) -> None:
        header = self.headers.get("Content-Length", "")
        length = int(header) if header.isdecimal() and len(header) < 12 else 0
        if not 0 < length <= LIMITS.max_bytes:
            self.respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"send 1 to {LIMITS.max_bytes} bytes"})
            return
        try:
            self.respond(HTTPStatus.OK, self.classifier.predict(self.rfile.read(length)).to_dict())
        except ImageError as error:
            self.respond(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def respond(self, status: HTTPStatus, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    port, *model = sys.argv[1:] or ["8000"]
    # Requests run in threads already, so several threads per prediction would only compete with each other.
    Handler.classifier = Classifier(*model, threads=1, limits=LIMITS)
    Handler.classifier.warmup()
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
