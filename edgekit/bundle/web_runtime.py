"""onnxruntime-web: the files that a page needs of it, read from an installed npm package or from its archive."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from edgekit.artifact.json_document import parse_json_object
from edgekit.errors import ArtifactError, SpecError, quote
from edgekit.files import read_regular_file

PACKAGE = "onnxruntime-web"
TESTED_VERSION = "1.30.0"  # tests/javascript/package.json
# What the package calls its files -> what bundles call them: servers know the type of .js, but not always of .mjs.
FILES: Mapping[str, str] = {
    "dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
_MANIFEST = "package.json"
_ARCHIVE_FOLDER = "package/"  # where `npm pack` puts the files of a package
_INSTALLED = Path("node_modules") / PACKAGE
_MAX_BYTES = 2**26  # of a file; the largest has 14 MB
_MAX_ARCHIVE_BYTES = 2**28  # 33 MB
_BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error)


class WebRuntime(NamedTuple):
    """The runtime of a web bundle.

    Attributes:
        version: of the package, such as "1.30.0".
        files: content by file name.
    """

    version: str
    files: Mapping[str, bytes]


def read_web_runtime(path: Path | None) -> WebRuntime:
    """Read the WebAssembly build of onnxruntime-web.

    Args:
        path: folder of the npm package, or the .tgz file that `npm pack` writes; None for the package in
            ./node_modules.

    Raises:
        SpecError: there is no such package, or it is another one.
        ArtifactError: the package is broken, or its version has no such build.
    """
    if path is None and not _INSTALLED.is_dir():
        raise SpecError(
            f"{_INSTALLED}: not found; run `npm pack {PACKAGE}@{TESTED_VERSION}`, then set `runtime` to the .tgz file"
        )
    path = path or _INSTALLED
    contents = _read_folder(path) if path.is_dir() else _read_archive(path)
    if _MANIFEST not in contents:
        raise SpecError(f"{path}: not an npm package; run `npm pack {PACKAGE}@{TESTED_VERSION}` to get one")
    manifest = parse_json_object(contents[_MANIFEST].decode(errors="replace"), what=f"{_MANIFEST} of {path}")
    if manifest.get("name") != PACKAGE:
        raise SpecError(f"{path}: is the npm package {quote(manifest.get('name'))}, not {PACKAGE}")
    version = str(manifest.get("version"))
    for name in FILES:
        if name not in contents:
            raise ArtifactError(f"{path}: {PACKAGE} {quote(version)} has no {name}; use version {TESTED_VERSION}")
    return WebRuntime(version, {target: contents[name] for name, target in FILES.items()})


def _read_folder(folder: Path) -> dict[str, bytes]:
    names = [name for name in (_MANIFEST, *FILES) if (folder / name).exists()]
    return {name: read_regular_file(folder / name, max_bytes=_MAX_BYTES, error=ArtifactError) for name in names}


def _read_archive(path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    content = read_regular_file(path, max_bytes=_MAX_ARCHIVE_BYTES, error=SpecError)
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix(_ARCHIVE_FOLDER)
                if name in (_MANIFEST, *FILES) and member.isfile():
                    if member.size > _MAX_BYTES:
                        raise ArtifactError(f"{path}: {name} has {member.size} bytes, more than {_MAX_BYTES}")
                    contents[name] = archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file
    except _BROKEN as error:
        raise SpecError(f"{path}: cannot be read as a .tgz archive: {error}") from None
    return contents
