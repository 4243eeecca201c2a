"""What every bundle contains: the model, its description, golden vectors, the license."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edgekit.artifact.info import ArtifactInfo
from edgekit.artifact.json_document import parse_json_object
from edgekit.bundle.bundle_folder import MANIFEST
from edgekit.bundle.description import describe_model
from edgekit.bundle.golden_vectors import golden_files, json_bytes
from edgekit.dataset import ImageSet
from edgekit.errors import SpecError, quote
from edgekit.files import sha256, write_atomically
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.classifier import Classifier
from edgekit.version import __version__

SCHEMA = 1
LICENSE = "LICENSE.txt"
_LICENSE_FILE = "LICENSE"  # of edgekit: inside the package, in a source tree beside it
_LICENSES = {"unknown": "license unknown; ask the author of the model before you pass it on"}
# The platforms with a port of the preprocessing, pixel for pixel.
PORTED = ("web", "node", "android", "ios")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledModel:
    """A model of a bundle.

    Attributes:
        name: NAME in the names of its files.
        data: content of the .onnx file.
        info: its metadata.
    """

    name: str
    data: bytes
    info: ArtifactInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that is being written.

    Attributes:
        models: its models: one, or several of a kit that measures speed.
        folder: where its files go; it exists.
        platform: what it is for, as in `edgekit bundle --for`.
    """

    models: tuple[BundledModel, ...]
    folder: Path
    platform: str

    @property
    def model(self) -> BundledModel:
        """The first model, or the only one."""
        return self.models[0]

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file of the bundle, and return its path.

        Args:
            name: path of the file in the bundle, with slashes.
            content: of the file; text is encoded as UTF-8.

        Raises:
            SpecError: the bundle has such a file already, because the model is called like it.
            EdgekitError: the file cannot be written.
        """
        path = self.folder / name
        if path.exists():
            raise SpecError(f"{quote(name)} is a file of every {self.platform} bundle; rename the model file")
        write_atomically(path, content.encode() if isinstance(content, str) else content)
        return path

    def copy_sources(self, folder: str) -> None:
        """Copy the static sources of a platform into the bundle, unchanged.

        Args:
            folder: their folder in the package edgekit.bundle, such as "web"; its subfolders are copied too.
        """
        for name, content in sources(folder).items():
            self.write(name, content)

    def set_runtime(self, name: str, version: str) -> None:
        """State in bundle.json which runtime the bundle contains.

        Args:
            name: of its package, such as "onnxruntime-web".
            version: of the package.
        """
        path = self.folder / MANIFEST
        manifest = parse_json_object(path.read_text(encoding="utf-8"), what=MANIFEST)
        write_atomically(path, json_bytes(manifest | {"runtime": {"name": name, "version": version}}))


def sources(folder: str) -> dict[str, bytes]:
    """The static sources of a platform, by their paths in the bundle.

    Args:
        folder: their folder in the package edgekit.bundle.
    """
    found: dict[str, bytes] = {}
    folders = [("", files("edgekit.bundle") / folder)]
    for prefix, place in folders:
        for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir() and entry.name != "__pycache__":
                folders.append((f"{prefix}{entry.name}/", entry))
            elif entry.is_file():
                found[f"{prefix}{entry.name}"] = entry.read_bytes()
    return found


def require_portable(preprocess: Preprocess, platform: str) -> None:
    """Check that a platform's port of the preprocessing computes the same pixels.

    Args:
        preprocess: of the model.
        platform: as in `edgekit bundle --for`.

    Raises:
        SpecError: it does not; the message names the fields.
    """
    # Its weights are sines in single precision, which differ between processors.
    if platform in PORTED and (preprocess.resampler, preprocess.interpolation) == ("tensorflow", "lanczos"):
        raise SpecError(
            f"the {platform} port of the preprocessing has no interpolation lanczos of resampler tensorflow; bundle "
            "the model for python, or export it with resampler pillow"
        )


def write_contents(bundle: Bundle, *, images: ImageSet | None, count: int) -> None:
    """Write what every bundle contains, into a new folder.

    Args:
        bundle: its models, folder and platform.
        images: images of the golden vectors; None for drawn ones.
        count: number of golden vectors.

    Raises:
        ArtifactError: a model is refused.
        EdgekitError: a file cannot be written.
        ImageError: an image cannot be read.
    """
    for model in bundle.models:
        _write_model(bundle, model, images=images, count=count)
    manifest = {
        "schema": SCHEMA,
        "platform": bundle.platform,
        "edgekit": __version__,
        "models": [{"description": f"{m.name}.json", "golden": f"{m.name}.golden.json"} for m in bundle.models],
        "runtime": None,
    }
    bundle.write(MANIFEST, json_bytes(manifest))
    bundle.write(LICENSE, _license_text(bundle.models))


def _license_text(models: Sequence[BundledModel]) -> str:
    """The licenses of the models' weights, and that of edgekit, whose sources the bundle contains."""
    weights = "".join(f"{model.name}: {_LICENSES.get(model.info.license, model.info.license)}\n" for model in models)
    package = files("edgekit")
    inside, beside = package / _LICENSE_FILE, package / ".." / _LICENSE_FILE
    text = (inside if inside.is_file() else beside).read_text(encoding="utf-8")
    return f"Weights of\n{weights}\nSources of edgekit {__version__}: Apache-2.0, as follows.\n\n{text}"


def _write_model(bundle: Bundle, model: BundledModel, *, images: ImageSet | None, count: int) -> None:
    path = bundle.write(f"{model.name}.onnx", model.data)
    ort = _write_ort(path, images) if bundle.platform in ("android", "ios") else None
    with Classifier(path) as classifier:
        golden = golden_files(model.data, classifier, name=model.name, images=images, count=count, ort=ort)
    description = describe_model(model.data, model.info, name=model.name, file=path.name, ort=ort)
    bundle.write(f"{model.name}.json", json_bytes(description))
    for name, content in golden.items():
        bundle.write(name, content)


def _write_ort(path: Path, images: ImageSet | None) -> dict[str, str]:
    from edgekit.bundle.onnxruntime_mobile import write_ort  # here, because it needs the onnx package

    converted = path.with_suffix(".ort")
    write_ort(path, converted, images=images)
    return {"file": converted.name, "sha256": sha256(converted.read_bytes())}
