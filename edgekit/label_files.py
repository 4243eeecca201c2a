"""Class names from the files in which tools write them (text, JSON, Python's notation, simple YAML), and synonyms."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgekit.errors import DataError, quote
from edgekit.files import read_regular_file

MAX_LABELS_BYTES = 2**24
_MAX_LITERAL = 2**20  # parsing Python's notation takes about 100 times the text's memory
_DIGITS = re.compile("[0-9]{1,9}")
_NUMBERED = re.compile(r"([0-9]{1,9})(?:\s*[:,;\t]\s*|\s+)(\S.*)")
_IDENTIFIED = re.compile(r"n[0-9]{8}[\s,]\s*(\S.*)")  # WordNet's identifier of a noun
_YAML_ITEM = re.compile(r"-\s+(\S.*)")
_YAML_PAIR = re.compile(r"['\"]?([0-9]{1,9})['\"]?\s*:\s+(\S.*)")
# One entry of a list or mapping on one line; of a quoted name, the comma belongs to the name.
_YAML_ENTRY = re.compile(r"""\s*((?:['"]?[0-9]+['"]?\s*:\s+)?(?:'[^']*'|"[^"]*"|[^,]*))\s*(?:,|$)""")


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read class names from a UTF-8 file, in the order of the logits.

    A text file has one name per line. If all lines are numbered from 0 ("0 tench", "0: tench", "0,tench"), or all begin
    with WordNet identifiers ("n01440764 tench"), these are removed; the numbers decide the order. A JSON file has a
    list of names, or an object of names by index or of indices by name, also under the key `id2label` or `names`. A
    YAML file has the list or the mapping under the key `names`.

    Args:
        path: of the file.

    Raises:
        DataError: the file cannot be read, or is in none of these forms.

    Example:
        >>> from edgekit.label_files import read_labels
        >>> read_labels("names.txt")
        ('bolt', 'nut', 'washer')
    """
    data = read_regular_file(path, max_bytes=MAX_LABELS_BYTES, error=DataError)
    return parse_labels(data, os.fspath(path))


def parse_labels(data: bytes, name: str) -> tuple[str, ...]:
    """Parse the content of a file of class names.

    Args:
        data: the content, in one of the forms of `read_labels`.
        name: of the file, by which YAML and JSON are recognized.

    Raises:
        DataError: it is in none of these forms.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name}: not a UTF-8 text file; expected one class name per line") from None
    if name.lower().endswith((".yaml", ".yml")):
        return _yaml_labels(text, name)
    if name.lower().endswith(".json") or text.lstrip()[:1] in ("{", "["):
        return labels_of(parse_literal(text, name), name)
    return _line_labels(text, name)


def read_synonyms(values: Sequence[str]) -> dict[str, str]:
    """Read which label of a model each class of a data set corresponds to.

    Args:
        values: each is OLD=NEW, or the path of a CSV file in UTF-8 with two columns old,new and no header. OLD is a
            class of the data set, NEW a label of the model.

    Returns:
        NEW by OLD.

    Raises:
        DataError: a value is neither, or a file cannot be read.
    """
    synonyms: dict[str, str] = {}
    for value in values:
        path = Path(value)
        old, equals, new = value.partition("=")
        if equals and not path.is_file():
            synonyms[old.strip()] = new.strip()
        elif path.is_file():
            synonyms |= _read_synonym_table(path)
        else:
            raise DataError(f"`synonyms` must be OLD=NEW or an existing CSV file of old,new (got {quote(value)})")
    return synonyms


def parse_literal(text: str, name: str) -> Any:
    """Parse JSON, or Python's notation of a list or dict, as which many tools print class names; nothing is run.

    Args:
        text: the document.
        name: what messages call it.

    Raises:
        DataError: it is neither.
    """
    import ast  # here, like json, because prediction reads no such files
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        if len(text) > _MAX_LITERAL:
            raise ValueError(f"longer than {_MAX_LITERAL} characters")
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise DataError(f"{name}: neither valid JSON nor a list or dict of class names in Python's notation") from None


def labels_of(value: object, name: str) -> tuple[str, ...]:
    """The class names in a parsed document.

    Args:
        value: a list of names; names by index, where a name may be a pair of identifier and name; indices by name; or a
            mapping that has one of these under `id2label` or `names`.
        name: what messages call the document.

    Raises:
        DataError: it is none of these, or the indices are not 0, 1, 2, ... in any order.
    """
    for key in ("id2label", "names"):
        if isinstance(value, dict) and isinstance(value.get(key), dict | list):
            value = value[key]
    if isinstance(value, dict) and value and all(_is_index(index) for index in value.values()):
        if len(set(value.values())) != len(value):
            raise DataError(f"{name}: several class names have the same index")
        value = {index: label for label, index in value.items()}
    if isinstance(value, dict):
        value = _in_order({str(index): label for index, label in value.items()}, name)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{name}: expected a list of class names, or class names by index (got {quote(value)})")
    labels = tuple(label[-1] if isinstance(label, list | tuple) and len(label) == 2 else label for label in value)
    for index, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"{name}: class {index} must have a name (got {quote(label)})")
    return tuple(label.strip() for label in labels)


def _read_synonym_table(path: Path) -> dict[str, str]:
    import csv  # here, because few evaluations need it
    import io

    data = read_regular_file(path, max_bytes=MAX_LABELS_BYTES, error=DataError)
    try:
        lines = io.StringIO(data.decode("utf-8-sig"), newline="")
        rows = [row for row in csv.reader(lines, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(f"{path}: row {number} has {len(row)} columns; expected two: old,new")
    return {old.strip(): new.strip() for old, new in rows}


def _in_order(by_index: Mapping[str, Any], name: str) -> list[Any]:
    """The values in the order of their indices, which must be 0, 1, 2, ..."""
    if not all(_DIGITS.fullmatch(index) for index in by_index) or len(set(map(int, by_index))) != len(by_index):
        raise DataError(f"{name}: the keys must be the indices of the classes (got {quote(list(by_index)[:3])})")
    ordered = sorted(by_index, key=int)
    if not ordered or (int(ordered[0]), int(ordered[-1])) != (0, len(ordered) - 1):
        raise DataError(
            f"{name}: the indices of {len(ordered)} classes must be 0 to {len(ordered) - 1} "
            f"(got {', '.join(ordered[:3])}, ...)"
        )
    return [by_index[index] for index in ordered]


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _line_labels(text: str, name: str) -> tuple[str, ...]:
    """The labels of a text file: its lines, without the numbers or identifiers that all of them begin with."""
    labels = tuple(line.strip() for line in text.splitlines())
    if not labels or not all(labels):
        empty_line = labels.index("") + 1 if "" in labels else 1
        raise DataError(
            f"{name}: line {empty_line} is empty; expected one class name per line, in the order of the logits"
        )
    if re.match(r"item\s*\{", labels[0]):
        raise DataError(f"{name}: is a TensorFlow label map; expected one class name per line")
    identified = [_IDENTIFIED.fullmatch(label) for label in labels]
    if all(identified):
        return tuple(match[1] for match in identified if match)
    numbered = [_NUMBERED.fullmatch(label) for label in labels]
    numbers = {int(match[1]) for match in numbered if match}
    if not all(numbered) or len(numbers) != len(labels) or max(numbers) - min(numbers) != len(labels) - 1:
        _refuse_interrupted_numbering(numbered, name)
        return labels  # names that begin with numbers, if any
    if min(numbers) != 0:
        raise DataError(
            f"{name}: the lines are numbered from {min(numbers)}, but the logits from 0; remove the numbers, "
            f"or write a JSON list if they belong to the names"
        )
    return tuple(_in_order({match[1]: match[2] for match in numbered if match}, name))


def _refuse_interrupted_numbering(numbered: Sequence[re.Match[str] | None], name: str) -> None:
    """Raise DataError if most lines have the number after that of the line above: one is damaged, lost or added."""
    numbers = [None if match is None else int(match[1]) for match in numbered]
    continues = [above is not None and number == above + 1 for above, number in pairwise(numbers)]
    if sum(continues) > len(continues) / 2:
        broken = 1 if numbers[0] is None else continues.index(False) + 2
        raise DataError(f"{name}: line {broken} interrupts the numbering of the lines; number all of them or none")


def _yaml_labels(text: str, name: str) -> tuple[str, ...]:
    """The labels of a YAML file, in the simple forms in which tools write them; other forms are refused."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    start = next((number for number, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        raise DataError(f"{name}: expected class names under the key names")
    inline = lines[start].partition(":")[2].strip()
    entries: list[str] = []
    for line in lines[start + 1 :]:
        if not line.startswith((" ", "-")):
            break
        entries.append(line.strip())
    if inline:
        flow = " ".join([inline, *entries])
        if flow[0] + flow[-1] not in ("[]", "{}"):
            raise DataError(f"{name}: names must be a list or a mapping (got {quote(flow)})")
        entries = [("- " if flow[0] == "[" else "") + part.strip() for part in _YAML_ENTRY.findall(flow[1:-1]) if part]
    listed_names = [_YAML_ITEM.fullmatch(entry) for entry in entries]
    if entries and all(listed_names):
        return labels_of([_yaml_scalar(match[1], name) for match in listed_names if match], name)
    mapped = [_YAML_PAIR.fullmatch(entry) for entry in entries]
    if not entries or not all(mapped):
        raise DataError(f"{name}: names must be a list, or a mapping from index to name, one per line")
    pairs = [(match[1], _yaml_scalar(match[2], name)) for match in mapped if match]
    if len(dict(pairs)) != len(pairs):
        raise DataError(f"{name}: an index occurs twice in names")
    return labels_of(dict(pairs), name)


def _yaml_scalar(text: str, name: str) -> str:
    """A plain or quoted scalar without escapes; what needs a YAML parser is refused."""
    quoted = re.fullmatch(r"""'([^']*)'|"([^"\\]*)\"""", text)
    if quoted:
        return quoted[1] or quoted[2] or ""
    if text[:1] in set("'\"[]{}&*!|>%@`") or " #" in text or ": " in text:
        raise DataError(f"{name}: cannot read the name {quote(text)}; write the names to a text file, one per line")
    return text
