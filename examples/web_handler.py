"""edgekit in a threaded web server: POST an image, get JSON. One Classifier serves all threads.

python examples/web_handler.py [PORT] [MODEL]
curl --data-binary @examples/ship.png http://127.0.0.1:8000/
"""

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgekit import Classifier, ImageLimits
from edgekit.errors import ImageError

LIMITS = ImageLimits(max_bytes=8 * 2**20, max_pixels=25_000_000)  # of strangers' images


class Handler(BaseHTTPRequestHandler):
    """Answers each request in a thread of its own."""

    classifier: Classifier
    timeout = 10  # seconds that a client may be silent

    def do_POST(self) -> None:
        said = self.headers.get("Content-Length", "")
        length = int(said) if said.isdecimal() and len(said) < 12 else 0
        if not 0 < length <= LIMITS.max_bytes:
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"send 1 to {LIMITS.max_bytes} bytes"})
            return
        try:
            self.answer(HTTPStatus.OK, self.classifier.predict(self.rfile.read(length)).to_dict())
        except ImageError as error:
            self.answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def answer(self, status: HTTPStatus, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    port, *model = sys.argv[1:] or ["8000"]
    # Each request has a thread already: more threads in one prediction would only stand in each other's way.
    Handler.classifier = Classifier(*model, threads=1, limits=LIMITS)
    Handler.classifier.warmup()
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
