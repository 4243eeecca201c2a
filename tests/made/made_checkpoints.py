"""Hostile weights files: pickles, and checkpoints of training runs whose metadata is not what it should be."""

import copy
import io
import json
import zipfile
from collections.abc import Iterator

from safetensors.torch import save

from edgekit.train.checkpoint import Checkpoint
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build

EMPTY = b"\x80\x02}"
BILLION_LAUGHS = EMPTY + b")q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x01s."
HOSTILE_PICKLES = (  # and words of the reason for which each is refused
    (b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", "contains 'posix.system'"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "contains 'os.system'"),
    (b"\x80\x02ctorch\nload\n.", "contains 'torch.load'"),
    (b"\x80\x02c" + b"x" * 100_000 + b"\ny\n.", "..."),
    (
        EMPTY + b"(X\x01\x00\x00\x00aK\x01u(X\x08\x00\x00\x00__dict__K\x01ub.",
        "out of range",
    ),  # attributes of nothing
    (b"\x80\x02(S'os.system'\nos\nsystem\n.", "the instruction"),
    (b"\x80\x02}r\xff\xff\xff\xff.", "an empty dict"),  # index 2^32 - 1 of the memo
    (b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".", ""),  # a bytearray of a terabyte
    (b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b".", ""),  # a text of a terabyte
    (BILLION_LAUGHS, "corrupt pickle"),  # a key of 2^60 parts to hash
    (b"\x80\x02" + b"(" * 2_000_000 + b".", "more than 1000000 instructions"),
    (b"\x80\x02" + b"]" * 400_000 + b"a" * 399_999 + b".", "(got list)"),  # nested
    (b"\x80\x02.", ""),
    (b"\x80\x02}00.", ""),
    (b"\x80\x02h\x05.", ""),
    (b"\x80\x02K\x01K\x01R.", "corrupt"),
    (b"\x80\x02ctorch\nFloatStorage\n)R.", "corrupt"),
    (b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.", "corrupt"),
    (b"\x80\x02X\x01\x00\x00\x00aQ.", "corrupt"),
    (EMPTY + b"X\x01\x00\x00\x00actorch\nFloatStorage\ns.", "other entries: 'a'"),
)


def in_zip(content: bytes, **files: bytes) -> bytes:
    """A checkpoint whose pickle is this."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {"data.pkl": content, "data/0": bytes(400), **files}.items():
            archive.writestr(f"w/{name}", data)
    return file.getvalue()


def hostile_checkpoints() -> Iterator[tuple[str, bytes]]:
    """Yield a name with its extension, and the file; each must be refused."""
    for number, (content, _) in enumerate(HOSTILE_PICKLES):
        yield f"pickle-{number}.pth", in_zip(content)
    yield "header-of-4-exabytes.safetensors", (2**62).to_bytes(8, "little") + b"{}"
    yield "header-cut.safetensors", (100).to_bytes(8, "little") + b'{"a"'
    tensors = build("lenet5").state_dict()
    recipe = Recipe.from_dict({"model": "lenet5"})
    facts = Checkpoint(recipe=recipe, classes=tuple("0123456789"), tensors=tensors).facts()
    for name, document in _documents(facts):
        text = document if isinstance(document, str) else json.dumps(document)
        yield f"{name}.safetensors", save(tensors, metadata={"edgekit": text})


def _documents(facts: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Change the facts of a checkpoint. Without their checksum, as old files are, they are not refused for that."""
    yield "list", []
    yield "deep", "[" * 10**6
    yield "long-number", '{"schema": ' + "9" * 10**6 + "}"
    for entry in facts:
        for number, value in enumerate((None, 7, "x", [], {}, [1, [2]], {"x": {}}, True)):
            yield f"{entry}-{number}", facts | {entry: value}
    yield "3-million-classes", facts | {"classes": list(map(str, range(3_000_000)))}
    for name, value in (("in_channels", 10**12), ("classes", 3 * 10**6), ("padding", "x"), ("x", 1)):
        changed = copy.deepcopy(facts)
        changed["recipe"]["arguments"] = {name: value}  # type: ignore[index]
        yield f"argument-{name}", changed
    for name, value in (("width_mult", 1e30), ("width_mult", 1e5), ("depth_mult", 1e9), ("dropout", float("nan"))):
        for model in ("mobilenet_v2", "efficientnet_b0", "resnet50"):
            changed = copy.deepcopy(facts)
            changed["recipe"] = {"model": model, "arguments": {name: value}}
            yield f"{model}-{name}-{value}", changed
