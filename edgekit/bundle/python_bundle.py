"""Bundles for Python, such as for a Raspberry Pi: one file that predicts where edgekit is not installed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgekit.bundle.contents import Bundle, sources
from edgekit.bundle.program_modules import program_modules
from edgekit.bundle.python import classify
from edgekit.runtime.requirements import installed_version

PROGRAM, REQUIREMENTS = "classify.pyz", "requirements.txt"
_PACKAGE = "edgekit/bundle/python"
_PACKAGES = ("numpy", "onnxruntime", "pillow")
# Models by name would be built from downloaded weights; this program has its model.
_LEFT_OUT = ("edgekit.hub.build_model", "edgekit.hub.registry")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip archive can state
_README = """# {name} for Python

An image classifier in one file, {program}: {network}, {labels} labels, {precision}.
It needs a 64-bit system with glibc, Python 3.11 or later, and the packages in {requirements}; no network.

    python3 -m venv venv && . venv/bin/activate
    pip install --requirement {requirements}
    python {program} photo.jpg
    python {program} --self-test

Without a network on the device, download the packages elsewhere (here for a Raspberry Pi with Python 3.11), copy them
with this folder, and install them there:

    pip download -r {requirements} -d wheels --only-binary :all: --python-version 3.11 \\
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64
    pip install --no-index --find-links wheels --requirement {requirements}
"""


def write_python(bundle: Bundle, *, runtime: Path | None, bench: bool = False) -> str:
    """Write the program of a bundle for Python, and its README.

    The model moves into classify.pyz.

    Args:
        bundle: its common contents are written.
        runtime: not used: the packages are installed on the device.
        bench: write the program that measures the models instead.

    Returns:
        The command that runs the self-test.
    """
    del runtime
    if bench:
        from edgekit.bundle.bench_kit import write_bench_kit

        write_bench_kit(bundle)
        return "python FOLDER/bench.pyz > device.json"
    model = bundle.model
    requirements = "".join(f"{package}=={installed_version(package)}\n" for package in _PACKAGES)
    program = program_modules("edgekit.bundle.python.classify", left_out=_LEFT_OUT)
    start = sources("python")["start.py"]
    added = {classify.MODEL: model.data, classify.NAME: model.name.encode(), REQUIREMENTS: requirements.encode()}
    entries = {"__main__.py": start, **program, **{f"{_PACKAGE}/{name}": data for name, data in added.items()}}
    bundle.write(PROGRAM, _archive(entries))
    bundle.write(REQUIREMENTS, requirements)
    bundle.write("README.md", _readme(bundle))
    (bundle.folder / f"{model.name}.onnx").unlink()
    return f"python FOLDER/{PROGRAM} --self-test"


def _archive(entries: Mapping[str, bytes]) -> bytes:
    """A zip archive that Python runs. Same entries, same bytes; the model is not compressed, to be read faster."""
    file = io.BytesIO(b"#!/usr/bin/env python3\n")
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = 0o644 << 16
            method = zipfile.ZIP_STORED if name.endswith(".onnx") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, compress_type=method)
    return file.getvalue()


def _readme(bundle: Bundle) -> str:
    info = bundle.model.info
    return _README.format(
        name=bundle.model.name,
        network=info.model,
        labels=len(info.labels),
        precision=info.precision,
        requirements=REQUIREMENTS,
        program=PROGRAM,
    )
