"""Records of tar files: WebDataset's layout, or images without more.

In WebDataset's layout (github.com/webdataset/webdataset) the members of a record follow each other. Their names are
equal up to the first dot of the file name: 000017.jpg, 000017.cls.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from edgekit.errors import DataError, DataWarning, listed, quote
from edgekit.image.formats import is_image_name
from edgekit.shards.record import MAX_LABEL_BYTES, Label, json_label, text_label
from edgekit.shards.tar_members import TarFile, TarMember
from edgekit.walk import is_system_name

# In the order in which they count. A text is often a caption, so it is a label only if nothing else is.
_LABELS = {"cls": text_label, "json": json_label, "txt": text_label}
_MAX_GROUP, _MAX_GROUP_BYTES = 1000, 2**28


class TarRecord(NamedTuple):
    """A record of a tar file.

    Attributes:
        key: its name.
        label: its label, if it has one.
        image: the member that is its image.
        data: content of that member; None if it is not read.
        labeled: whether a label lies beside the image, whatever it contains.
    """

    key: str
    label: Label | None
    image: TarMember
    data: bytes | None
    labeled: bool


class _Part(NamedTuple):
    """A member of a record: its key, what follows the first dot of its file name, and its content, if it is needed."""

    key: str
    suffix: str
    member: TarMember
    data: bytes | None


def tar_records(
    tar: TarFile, name: str, *, compressed: bool = False, max_image_bytes: int | None = None
) -> Iterator[TarRecord]:
    """Yield the records of a tar file in order.

    Args:
        tar: the opened file.
        name: what messages call it.
        compressed: whether the file cannot go back, so that links cannot be followed.
        max_image_bytes: read images up to this size, all in the order of the file; None reads no images.

    Raises:
        DataError: the file is broken, or a record has several images.
    """
    parts = _parts(tar, name, compressed=compressed, max_image_bytes=max_image_bytes)
    for key, group in groupby(parts, key=lambda part: part.key):
        members, in_memory = [], 0
        for part in group:
            members.append(part)
            in_memory += len(part.data or b"")
            if len(members) > _MAX_GROUP or in_memory > _MAX_GROUP_BYTES:
                reason = f"has more than {_MAX_GROUP} members or {_MAX_GROUP_BYTES} bytes"
                raise DataError(f"{name}: the record {quote(key)} {reason}; refused")
        yield from _records(key, members, name)


def has_labels(path: Path) -> bool:
    """Return whether a tar file is in WebDataset's layout: a label lies beside an image. Only headers are read.

    Args:
        path: of an uncompressed tar file; False for any other file.
    """
    if not path.name.lower().endswith(".tar"):
        return False
    with path.open("rb") as file:
        last_key = ""
        kinds: set[str] = set()
        for member in TarFile(file, str(path), size_bytes=path.stat().st_size).members():
            folder, slash, file_name = member.name.rpartition("/")
            stem, _, suffix = file_name.partition(".")
            if (key := f"{folder}{slash}{stem}") != last_key:
                last_key, kinds = key, set()
            kinds.add("label" if suffix.lower() in _LABELS else "image" if is_image_name(file_name) else "")
            if {"label", "image"} <= kinds:
                return True
    return False


def _records(key: str, parts: list[_Part], name: str) -> Iterator[TarRecord]:
    """The record of the members with one key. Without a label beside them, each image is a record of its own."""
    labels = {part.suffix: _LABELS[part.suffix](part.data or b"") for part in parts if part.suffix in _LABELS}
    images = [part for part in parts if is_image_name(part.member.name)]
    plain = [part for part in images if "." not in part.suffix] or images
    if len(images) == 1 or (labels and len(plain) == 1):
        label = next((labels[suffix] for suffix in _LABELS if labels.get(suffix) is not None), None)
        yield TarRecord(key, label, plain[0].member, plain[0].data, bool(labels))
    elif labels and images:
        names = listed((quote(part.member.name) for part in plain), most=3)
        raise DataError(f"{name}: a record must have one image, but {quote(key)} has {names}")
    else:
        yield from (TarRecord(part.member.name, None, part.member, part.data, False) for part in images)


def _parts(tar: TarFile, name: str, *, compressed: bool, max_image_bytes: int | None) -> Iterator[_Part]:
    """The members that are images or labels, links to images followed; a warning about others that are no files."""
    lost: list[str] = []
    targets: dict[str, TarMember] | None = None
    for member in tar.members():
        folder, slash, file_name = member.name.rpartition("/")
        stem, dot, suffix = file_name.partition(".")
        if member.kind == "folder" or not dot or any(map(is_system_name, member.name.split("/"))):
            continue
        if member.kind == "link" and not compressed:
            if targets is None:
                targets = {other.name: other for other in tar.members() if other.kind == "file"}
            member = targets.get(member.target, member)._replace(name=member.name)
        if member.kind != "file":
            lost.append(member.name)
            continue
        data = None
        if suffix.lower() in _LABELS:
            data = tar.read(_checked(member, name))
        elif max_image_bytes is not None and member.size <= max_image_bytes and is_image_name(file_name):
            data = tar.read(member)
        yield _Part(f"{folder}{slash}{stem}", suffix.lower(), member, data)
    if not tar.has_end_mark:
        warnings.warn(
            f"{name}: has no end mark; if it was not written completely, images are missing", DataWarning, stacklevel=2
        )
    if lost:
        reason = "links in a compressed file, " if compressed else ""
        warnings.warn(
            f"{name}: {len(lost)} members are not files ({reason}links to no image of it, or devices) and are left "
            f"out: {listed(map(quote, lost), most=3)}",
            DataWarning,
            stacklevel=2,
        )


def _checked(member: TarMember, name: str) -> TarMember:
    if member.size > MAX_LABEL_BYTES:
        raise DataError(f"{name}: {quote(member.name)} has {member.size} bytes, more than a label may have")
    return member
