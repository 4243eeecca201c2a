"""Bundles: folders that run a model on a platform as they are, and prove there that they compute the same."""

from __future__ import annotations

import importlib
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edgekit.artifact.info import parse_info, read_model
from edgekit.bundle.bundle_folder import BundleFile, check_folder, finished, replaced_folder
from edgekit.bundle.contents import Bundle, BundledModel, require_portable, write_contents
from edgekit.bundle.description import batch_size
from edgekit.dataset import ImageSet
from edgekit.errors import SpecError, must_be, quote, unknown
from edgekit.hub.model_files import model_path
from edgekit.preprocess.field_values import is_count

SCHEMA = 1
MAX_VECTORS = 1000


class Platform(NamedTuple):
    """Who writes the files of a platform.

    Attributes:
        module: module of edgekit.bundle.
        function: its function.
        takes_runtime: whether the bundle contains a runtime, copied from a package that is not a Python one.
    """

    module: str
    function: str
    takes_runtime: bool = False


PLATFORMS = {
    "web": Platform("web_bundle", "write_web", takes_runtime=True),
    "node": Platform("node_bundle", "write_node"),
    "transformers.js": Platform("transformers_js_bundle", "write_transformers_js"),
    "android": Platform("phone_bundles", "write_android"),
    "ios": Platform("phone_bundles", "write_ios"),
    "python": Platform("python_bundle", "write_python"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """A bundle that was written.

    Attributes:
        folder: the folder, as it was given.
        platform: what it is for.
        files: its files, by path.
        self_test: the command, or the step, that proves the bundle on its platform.
    """

    folder: Path
    platform: str
    files: tuple[BundleFile, ...]
    self_test: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "schema": SCHEMA,
            "folder": str(self.folder),
            "platform": self.platform,
            "files": {file.name: file.bytes for file in self.files},
            "self_test": self.self_test,
        }


def write_bundle(
    models: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    platform: str,
    images: ImageSet | None = None,
    count: int = 8,
    runtime: str | os.PathLike[str] | None = None,
    bench: bool = False,
) -> BundleReport:
    """Write a folder that runs a model on a platform as it is, with a self-test.

    It contains the model, its description (NAME.json), golden vectors, the program of the platform, a README and the
    license. NAME is that of the model's file; characters other than letters, digits, ".", "_" and "-" become "-".

    Args:
        models: paths or names of edgekit models: one, or with `bench` any number.
        folder: folder to write: a new one, an empty one, or a bundle for the same platform, which is replaced.
        platform: a key of PLATFORMS.
        images: images of the golden vectors (default: synthetic images).
        count: number of golden vectors, 1 to 1000; fewer are written if there are fewer images.
        runtime: for web: the package onnxruntime-web (default: in ./node_modules).
        bench: for python: write a kit that measures the models on a device, in place of the program that predicts.

    Returns:
        What was written, and how to test it.

    Raises:
        ArtifactError: a model is not an edgekit model.
        ImageError: an image cannot be read.
        SpecError: an argument is not valid, or the platform cannot compute the preprocessing of the model.
        EdgekitError: the folder cannot be written.

    Example:
        >>> from edgekit.bundle.write import write_bundle
        >>> report = write_bundle(["model.onnx"], "pi", platform="python")
        >>> report.self_test
        'python pi/classify.pyz --self-test'
    """
    target = Path(folder)
    _check_arguments(models, platform=platform, count=count, runtime=runtime, bench=bench)
    paths = [model_path(model) for model in models]
    check_folder(target, platform=platform, inputs=paths)
    named = zip(map(_bundle_name, models), paths, strict=True)
    bundled = tuple(_bundled_model(name, path, platform) for name, path in named)
    _check_names(bundled)
    with replaced_folder(target) as staging:
        bundle = Bundle(models=bundled, folder=staging, platform=platform)
        write_contents(bundle, images=images, count=count)
        self_test = _write_platform(bundle, runtime=None if runtime is None else Path(runtime), bench=bench)
        files = finished(staging)
    # A path that begins with a hyphen would be an option.
    path = f"./{target}" if str(target).startswith("-") else str(target)
    self_test = self_test.replace("FOLDER", shlex.quote(path))
    return BundleReport(folder=target, platform=platform, files=files, self_test=self_test)


def _check_arguments(models: Sequence[object], *, platform: str, count: int, runtime: object, bench: bool) -> None:
    if platform not in PLATFORMS:
        raise SpecError(unknown("`platform`", platform, PLATFORMS))
    if isinstance(models, str | bytes) or not models:
        raise SpecError(must_be("models", "a sequence of one or more models", models))
    if bench and platform != "python":
        raise SpecError(f"`bench` needs `platform` python (got {quote(platform)})")
    if len(models) > 1 and not bench:
        raise SpecError(f"a bundle is for one model (got {len(models)}); only with `bench` it may have several")
    if runtime is not None and not PLATFORMS[platform].takes_runtime:
        raise SpecError(f"`runtime` is not for {platform}: its bundle contains no runtime; leave it out")
    if not is_count(count, least=1, most=MAX_VECTORS):
        raise SpecError(must_be("count", f"an integer from 1 to {MAX_VECTORS}", count))


def _bundle_name(model: str | os.PathLike[str]) -> str:
    name = os.fsdecode(model)
    stem = Path(name).stem if name.endswith(".onnx") else Path(name).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "model"


def _bundled_model(name: str, path: Path, platform: str) -> BundledModel:
    """Read a model, and check that the platform can run it. Names a file in every message."""
    data = read_model(path)
    info = parse_info(data, name=str(path))
    try:
        require_portable(info.preprocess, platform)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    batch = batch_size(data, name=str(path))
    if platform != "python" and batch not in (None, 1):
        command = f"edgekit export {shlex.quote(str(path))} --batch 1 -o NEW"
        raise SpecError(
            f"{path}: its batch size is fixed to {batch}, but ports run one image at a time; run `{command}`"
        )
    return BundledModel(name=name, data=data, info=info)


def _check_names(models: Sequence[BundledModel]) -> None:
    names = [model.name.lower() for model in models]
    for model in models:
        if names.count(model.name.lower()) > 1:
            raise SpecError(f"two of the models would be called {quote(model.name)}; rename one of the files")


def _write_platform(bundle: Bundle, *, runtime: Path | None, bench: bool) -> str:
    if bundle.platform == "python":
        from edgekit.bundle.python_bundle import write_python

        return write_python(bundle, runtime=None, bench=bench)
    platform = PLATFORMS[bundle.platform]
    function = getattr(importlib.import_module(f"edgekit.bundle.{platform.module}"), platform.function)
    return str(function(bundle, runtime=runtime))
