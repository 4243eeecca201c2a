"""Bundles for the browser: a page that classifies images, with onnxruntime-web."""

from __future__ import annotations

from pathlib import Path

from edgekit.bundle.contents import Bundle
from edgekit.bundle.web_runtime import PACKAGE, read_web_runtime

_SOURCES = "web"
_RUNTIME_FOLDER = "runtime"
_README = """# {name} in the browser

Serve this folder with any static server, at any path, and open index.html. To try it, run this in the folder, and open
http://localhost:8000:

    python -m http.server

After the first visit, the page also works offline, if it was served over HTTPS or from localhost.

- selftest.html: compares decoding, pixels, logits and labels with the golden vectors ({name}.golden.json).
- bench.html: measures this device; `edgekit bench --device device.json` reads the file that it saves. With Node:
  `node bench.mjs > device.json`.
- js/: preprocess.js, scores.js and classifier.js are yours to use in another page; {name}.json is what they read.
- runtime/: {package} {version} (MIT License), one thread. It uses several threads if the server sends the headers
  `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`.
"""


def write_web(bundle: Bundle, *, runtime: Path | None) -> str:
    """Write the page, its modules and the runtime into a bundle.

    Args:
        bundle: its common contents are written.
        runtime: folder or .tgz file of the npm package onnxruntime-web; None for the one in ./node_modules.

    Returns:
        How to run the self-test.

    Raises:
        SpecError: the runtime is not there, or the model's name is that of a file of the page.
        ArtifactError: the runtime is broken.
        EdgekitError: a file cannot be written.
    """
    package = read_web_runtime(runtime)
    bundle.copy_sources(_SOURCES)
    for name, content in package.files.items():
        bundle.write(f"{_RUNTIME_FOLDER}/{name}", content)
    bundle.set_runtime(PACKAGE, package.version)
    bundle.write("README.md", _README.format(name=bundle.model.name, package=PACKAGE, version=package.version))
    return "python -m http.server --directory FOLDER, then open http://localhost:8000/selftest.html"
