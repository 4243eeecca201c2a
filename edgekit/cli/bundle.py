"""`edgekit bundle`: a folder that runs a model on a device or in a browser, and proves itself there."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import uncounted_stage
from edgekit.cli.render import write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.bundle.write import BundleReport

EXAMPLES = """Examples:
  edgekit bundle model-int8.onnx --for web -o site
  edgekit bundle model-int8.onnx --for python --data photos/ -o pi
  edgekit bundle model.onnx model-int8.onnx --for python --bench -o kit
"""


def run(
    models: Annotated[
        tuple[str, ...],
        Argument("Model file (.onnx) or name of a built-in model; with --bench any number.", metavar="MODEL..."),
    ],
    platform: Annotated[
        Literal["web", "node", "android", "ios", "python", "transformers.js"],
        Option(
            "Where it is to run: web, node, android, ios, python or transformers.js.",
            flags=("--for",),
            metavar="PLATFORM",
        ),
    ],
    output: Annotated[
        Path,
        Option(
            "Folder to write; a bundle for the same platform is replaced.",
            flags=("--output", "-o"),
            metavar="FOLDER",
            argument="folder",
        ),
    ],
    data: Annotated[
        Path | None,
        Option("Images for the golden vectors; labels are not needed.", metavar="DATA", default_text="synthetic ones"),
    ] = None,
    count: Annotated[int, Option("Number of golden vectors, up to 1000.", least=1, most=1000)] = 8,
    runtime: Annotated[
        Path | None,
        Option(
            "For web: folder or archive (.tgz) of the npm package onnxruntime-web.",
            metavar="PATH",
            default_text="the one in ./node_modules",
        ),
    ] = None,
    bench: Annotated[bool, Option("For python: write a kit that measures the models on a device.")] = False,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Bundle a model for deployment: web, Node.js, Android, iOS, Raspberry Pi.

    The folder runs as it is. It contains the model, the program, and golden vectors: images with the pixels, logits and
    labels that a correct program computes of them. Its self-test compares them on the device.
    """
    from edgekit.bundle.write import write_bundle
    from edgekit.dataset import read_images

    check_model_files(*models)
    build_models(*models)
    with uncounted_stage("writing the bundle"):
        report = write_bundle(
            models,
            output,
            platform=platform,
            images=None if data is None else read_images(data),
            count=count,
            runtime=runtime,
            bench=bench,
        )
    write_json(report.to_dict()) if json else _write_report(report)


def _write_report(report: BundleReport) -> None:
    """Print the files, one line for each folder, and the self-test."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for file in report.files:
        folder, slash, _ = file.name.partition("/")
        sizes[f"{folder}{slash}"].append(file.bytes)
    rows = [
        (f"{name} ({_counted(len(files))})" if name.endswith("/") else name, f"{sum(files) / 1e3:.1f}")
        for name, files in sizes.items()
    ]
    write(table(("file", "kB"), rows))
    total = sum(file.bytes for file in report.files)
    write(f"{printable(str(report.folder))}: {_counted(len(report.files))}, {total / 1e6:.2f} MB")
    write_message(f"wrote {report.folder}; next: {report.self_test}")


def _counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"
