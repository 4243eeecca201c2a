"""The hostile files that scripts/fuzz_commands.py gives to commands, by the kind of file that a command expects.

Most are those of tests/made. Files over 2 MB are left out: what they cost is tested in tests/hostile.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import itertools
import random
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "made"))

import fuzz_archives  # noqa: E402
import fuzz_tables  # noqa: E402
import made_costs  # noqa: E402
import made_images  # noqa: E402
import made_models  # noqa: E402
from fuzzing import mutated  # noqa: E402
from made_checkpoints import hostile_checkpoints  # noqa: E402
from made_malformed import malformed_graphs  # noqa: E402
from made_metadata import hostile_documents, metadata_entries  # noqa: E402

from edgekit.artifact.info import with_info  # noqa: E402
from edgekit.hub.built_in import built_in_models  # noqa: E402

_MAX_BYTES = 2 * 2**20
_MUTATED = 100

Files = Iterator[tuple[str, bytes]]


def write_hostile_files(folder: Path) -> dict[str, list[Path]]:
    """Write the files into a folder; return their paths by "image", "model", "checkpoint", "data" or "text"."""
    folder.mkdir(parents=True)
    kinds = {"image": images(), "model": models(), "checkpoint": checkpoints(), "data": data_sets(), "text": texts()}
    paths: dict[str, list[Path]] = {kind: [] for kind in kinds}
    for kind, files in kinds.items():
        for number, (name, data) in enumerate(files):
            if len(data) <= _MAX_BYTES:
                paths[kind].append(folder / f"{kind}-{number}-{name}")
                paths[kind][-1].write_bytes(data)
    return paths


def images() -> Files:
    for _, data in itertools.chain(made_images.broken_images(), made_images.refused_images()):
        yield "image.jpg", data


def models() -> Files:
    """Models that are refused, at once or when they run, each as a plain file and with metadata."""
    info = made_models.tiny_info()
    for model in (*malformed_graphs(), *(model for _, model in _costly())):
        data = model.SerializeToString()
        yield "plain.onnx", data
        yield "model.onnx", with_info(data, info)
    for _, model, changes in made_models.inconsistent_models():
        yield "inconsistent.onnx", with_info(model.SerializeToString(), dataclasses.replace(info, **changes))
    for _, data, _ in made_models.refused_files():
        yield "file.onnx", data
    tiny = made_models.tiny_model().SerializeToString()
    for _, text in hostile_documents(info.to_dict()):
        yield "document.onnx", tiny + metadata_entries(text)
    rng = random.Random(0)
    original = built_in_models()["lenet5-mnist"].read_bytes()
    for _ in range(_MUTATED):
        yield "mutated.onnx", original[:-6000] + mutated(original[-6000:], rng, other=original)
    yield from (("bytes.onnx", data) for data in (b"", b"hello", bytes(10_000), b"PK\3\4" + bytes(100), tiny[:-700]))


def _costly() -> Iterator[tuple[str, onnx.ModelProto]]:
    for name, model, _ in itertools.chain(made_models.refused_models(), made_models.runaway_models()):
        yield name, model
    yield from made_costs.costly_nodes()
    yield from made_costs.unpredictable_nodes()


def checkpoints() -> Files:
    rng = random.Random(0)
    originals = [data for _, data in hostile_checkpoints()][-1:]
    yield from hostile_checkpoints()
    for _ in range(_MUTATED):
        yield rng.choice(("mutated.safetensors", "mutated.pth")), mutated(originals[0], rng)


def data_sets() -> Files:
    """Archives, idx files and tables."""
    rng = random.Random(0)
    buffer = io.BytesIO()
    made_images.quadrants().save(buffer, "PNG")
    image = buffer.getvalue()
    archives = [("a.zip", fuzz_archives.zipped(image)), ("a.tar.gz", fuzz_archives.tarred(image, "w:gz"))]
    for _ in range(_MUTATED):
        name, data = rng.choice(archives)
        yield name, mutated(data, rng, other=rng.choice(archives)[1])
        yield "table.csv", fuzz_tables.table(rng).encode(rng.choice(fuzz_tables.ENCODINGS), "replace")
    for name in ("../up.png", "/root.png", "train/a/1.png/x.png", "a" * 300 + "/b/1.png", "train\\a\\1.png", "a\0b"):
        yield "names.tar", _tar_of(name, image)
        yield "names.zip", _zip_of(name, image)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        yield "links.tar", _tar_of("train/a/1.png", b"", kind=kind, target="/etc/passwd")
    yield "bomb.tar.gz", gzip.compress(_tar_of("train/a/1.png", bytes(2 * 10**8)), 9)
    yield "bomb.zip", _zip_of("train/a/1.png", bytes(10**8))
    yield "bomb-idx3-ubyte.gz", gzip.compress(bytes(2 * 10**8), 9)


def _tar_of(name: str, data: bytes, *, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(data), kind, target
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _zip_of(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def texts() -> Files:
    """Label files, recipes, lists of images and previous results."""
    rng = random.Random(0)
    endings = ("txt", "json", "yaml", "toml", "csv", "jsonl")
    recipe = b'model = "lenet5"\n[arguments]\ndropout = 0.1\n[optimize]\nepochs = 1\n'
    result = b'{"path": "photo.jpg", "label": "0", "probability": 0.5}\n'
    originals = [recipe, result, b"data/train/0/0.png\0data/val/0/1.png\0", *(t.encode() for t in fuzz_tables.LABELS)]
    for ending, original in itertools.product(endings, originals):
        yield f"good.{ending}", original
        yield f"mutated.{ending}", mutated(original, rng, other=recipe)
    for text in ("[" * 100_000, "x" * 10**6, "\n" * 10**6, "\ud800", '{"0": ' * 1000, "- " * 10_000, "a: &a [*a, *a]"):
        yield from ((f"deep.{ending}", text.encode("utf-8", "surrogatepass")) for ending in endings)
