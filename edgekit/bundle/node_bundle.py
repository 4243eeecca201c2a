"""Bundles for Node.js: a command and modules that classify images, with onnxruntime-node."""

from __future__ import annotations

from pathlib import Path

from edgekit.artifact.json_document import parse_json_object
from edgekit.bundle.contents import Bundle, sources
from edgekit.errors import SpecError

PACKAGE = "onnxruntime-node"
_SOURCES = "node"
_MANIFEST = "package.json"
# Modules that the web bundle has, too.
_SHARED_SOURCES = "web/js"
_SHARED = ("classifier.js", "golden.js", "package.json", "preprocess.js", "scores.js", "sha256.js")
_README = """# {name} in Node.js

In this folder:

    ONNXRUNTIME_NODE_INSTALL=skip npm install
    node classify.mjs photo.jpg

The variable keeps {package} {version} from downloading libraries for GPUs; what the CPU needs is in the package. npm
also installs sharp, which decodes images; without it, the command reads binary .ppm and .pgm files only.

- selftest.mjs: compares decoding, pixels, logits and labels with the golden vectors ({name}.golden.json).
- classify.mjs prints one JSON document for each image; status 3: some images failed.
- bundle.mjs and js/ are modules for programs of your own:
  `const {{ top }} = await (await openClassifier()).predict({{ pixels, width, height }});`
"""


def write_node(bundle: Bundle, *, runtime: Path | None) -> str:
    """Write the command, its modules and package.json into a bundle.

    Args:
        bundle: its common contents are written.
        runtime: must be None: npm installs the runtime, for the system that the bundle runs on.

    Returns:
        How to run the self-test.

    Raises:
        SpecError: there is a runtime, or the model's name is that of another file of the bundle.
        EdgekitError: a file cannot be written.
    """
    if runtime is not None:
        raise SpecError(f"`runtime` is not for node: npm installs {PACKAGE}; leave it out")
    version = runtime_version()
    bundle.copy_sources(_SOURCES)
    shared = sources(_SHARED_SOURCES)
    for name in _SHARED:
        bundle.write(f"js/{name}", shared[name])
    bundle.set_runtime(PACKAGE, version)
    bundle.write("README.md", _README.format(name=bundle.model.name, package=PACKAGE, version=version))
    return "cd FOLDER && ONNXRUNTIME_NODE_INSTALL=skip npm install && node selftest.mjs"


def runtime_version() -> str:
    """The version of onnxruntime-node that bundles ask npm for."""
    text = sources(_SOURCES)[_MANIFEST].decode()
    return str(parse_json_object(text, what=_MANIFEST)["dependencies"][PACKAGE])
