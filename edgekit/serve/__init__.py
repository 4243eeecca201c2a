"""Serves models over HTTP: images in, predictions out.

Needs the extra `serve`.

Example:
    >>> from edgekit.serve import ServeSettings, create_app
    >>> app = create_app("model.onnx", settings=ServeSettings(max_images=8))  # an ASGI app: uvicorn module:app
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

_HOMES = {
    "ServeSettings": "settings",
    "create_app": "app",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.serve.app import create_app as create_app
    from edgekit.serve.settings import ServeSettings as ServeSettings
else:
    export_lazily(__name__, _HOMES, extra="serve")
