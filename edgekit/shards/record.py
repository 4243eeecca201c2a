"""What shards contain: images with their keys and labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edgekit.errors import ImageError
from edgekit.image.source import StoredImage

if TYPE_CHECKING:
    from edgekit.shards.reader import ShardReader
    from edgekit.shards.shard import Shard

Label: TypeAlias = int | str

MAX_LABEL_BYTES = 2**20
_MAX_TEXT = 256  # characters of a label; a text of several lines, or a longer one, is a caption


class Record(NamedTuple):
    """One image of a shard.

    Attributes:
        key: its name: the path of the tar member up to the first dot of the file name, or as `ShardLayout.key_column`.
        image: the encoded image; an ImageError if it is missing or larger than allowed.
        label: class number or name; None if there is none.
    """

    key: str
    image: bytes | ImageError
    label: Label | None


@dataclass(frozen=True, slots=True)
class ShardImage(StoredImage):
    """An image of a shard, which is read when it is needed.

    Attributes:
        shard: where it lies.
        number: of its record in the shard, from 0.
        member: its name in the shard.
        part: size and offset of a tar member; row group and row in it of a Parquet file.
        reader: opens the shard; the images of an image set share it.
    """

    shard: Shard
    number: int
    member: str = field(compare=False)
    part: tuple[int, int] = field(compare=False)
    reader: ShardReader = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The path of the shard, and the name in it."""
        return f"{self.shard.shown_path}/{self.member}"

    @property
    def size_bytes(self) -> int | None:
        """Size of the encoded image in bytes; None in a Parquet file."""
        return self.part[0] if self.shard.kind == "tar" else None

    @property
    def row_group(self) -> int | None:
        """Number of the row group that is read for this image; None in a tar file."""
        return None if self.shard.kind == "tar" else self.part[0]

    @property
    def offset(self) -> int | None:
        """Where the image begins in a tar file; None in a Parquet file."""
        return self.part[1] if self.shard.kind == "tar" else None

    def read_bytes(self, *, max_bytes: int) -> bytes:
        """Read the encoded image.

        Args:
            max_bytes: largest accepted size in bytes.

        Raises:
            ImageError: it cannot be read, is missing or larger.
        """
        return self.reader.read(self, max_bytes=max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardIndex:
    """The records of a shard without their images.

    Attributes:
        shard: that is indexed.
        keys: of the records, in the order of the shard.
        names: the same with the extensions of the files, for messages.
        labels: class numbers or names; None where there is none.
        parts: as in `ShardImage`.
        class_names: names of the class numbers, if the shard states them.
    """

    shard: Shard
    keys: Sequence[str]
    names: Sequence[str]
    labels: Sequence[Label | None]
    parts: Sequence[tuple[int, int]]
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def image(self, number: int, reader: ShardReader) -> ShardImage:
        """Return the image of a record.

        Args:
            number: of the record, from 0.
            reader: opens shards; pass the same for all images that are read together.
        """
        return ShardImage(self.shard, number, self.names[number], self.parts[number], reader)


def too_large(name: str, size_bytes: int, max_bytes: int) -> ImageError:
    """The error of an image of more bytes than are accepted."""
    return ImageError(f"{name}: {size_bytes} bytes, more than the limit of {max_bytes} bytes")


def text_label(data: bytes) -> Label | None:
    """The label in a .cls or .txt file: a number, or one short line of text. None for anything else."""
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    return text if text.isprintable() and 0 < len(text) <= _MAX_TEXT else None


def json_label(data: bytes) -> Label | None:
    """The label in a .json file: the number or text under `label`, or the whole document. None for anything else."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    label = document.get("label") if isinstance(document, dict) else document
    if isinstance(label, bool) or not isinstance(label, int | str):
        return None
    return label if isinstance(label, int) else text_label_of(label)


def text_label_of(text: str) -> str | None:
    """A text as a label, without surrounding blanks: one short line. None for anything else."""
    text = text.strip()
    return text if text.isprintable() and 0 < len(text) <= _MAX_TEXT else None
