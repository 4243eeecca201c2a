"""Reads the pickles of PyTorch checkpoints: containers, numbers, texts and plain tensors, and nothing else.

Python's own unpickler calls whatever a pickle names. This one has a table of what it may build, and its own small set
of instructions; a pickle that names anything else is refused. References: pickletools in the standard library for the
instructions, torch/_utils.py and torch/serialization.py for what a tensor is reduced to.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, NoReturn

from edgekit.errors import quote

# EfficientNet-B7 has 45,000 instructions. A million take 2 s, and beyond it a file only keeps readers busy.
_MAX_INSTRUCTIONS = 1_000_000


class ForeignObject(ValueError):  # noqa: N818  (named after what was found)
    """A pickle names something other than plain tensors. The message is its name, quoted."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers that a checkpoint keeps outside of the pickle.

    Attributes:
        key: name of the storage in the file.
        dtype: name of the numbers' type, such as "float32" or "bfloat16".
        first: index of the first number that belongs to it; above 0 only in very old files.
        size: how many numbers it has.
    """

    key: str
    dtype: str
    first: int
    size: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as a view of a storage; offset and strides count numbers, not bytes. Nothing is checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Builder:
    """What a global name of a pickle stands for: a function of its arguments, or the type of a storage."""

    build: Callable[..., object] | None = None
    dtype: str = ""


def _ordered_dict(items: object = ()) -> dict[Any, Any]:
    built: dict[Any, Any] = {}
    for item in _of(list | tuple, items):
        key, value = _of(list | tuple, item)
        _set_item(built, key, value)
    return built


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> StoredTensor:
    extents, steps = ([_count(n) for n in _of(tuple, values)] for values in (shape, strides))
    if len(extents) != len(steps):
        _fail()
    return StoredTensor(_of(Storage, storage), _count(offset), tuple(extents), tuple(steps))


def _parameter(tensor: object, *_: object) -> StoredTensor:
    stored: StoredTensor = _of(StoredTensor, tensor)
    return stored


_DTYPES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
}
_BUILDERS: Mapping[str, _Builder] = MappingProxyType(
    {
        "collections OrderedDict": _Builder(_ordered_dict),
        "torch._utils _rebuild_tensor": _Builder(_tensor),  # of torch below 0.4
        "torch._utils _rebuild_tensor_v2": _Builder(_tensor),
        "torch._utils _rebuild_parameter": _Builder(_parameter),
        **{
            f"{module} {name}Storage": _Builder(dtype=dtype)
            for module in ("torch", "torch.cuda")
            for name, dtype in _DTYPES.items()
        },
    }
)


class Unpickled(NamedTuple):
    """What a pickle contains.

    Attributes:
        value: nested dicts, lists and tuples of numbers, texts, None and StoredTensor. An OrderedDict becomes a dict.
        storages: all that it mentions, by key.
    """

    value: object
    storages: Mapping[str, Storage]


def read_pickle(file: BytesIO) -> Unpickled:
    """Read one pickle.

    Args:
        file: read from its position to the end of the pickle.

    Raises:
        ForeignObject: the pickle names something other than plain tensors.
        ValueError: not a pickle, or one with other instructions than checkpoints have.
    """
    machine = _Machine()
    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if count == _MAX_INSTRUCTIONS:
            raise ValueError(f"a pickle with more than {_MAX_INSTRUCTIONS} instructions")
        machine.run(instruction.name, argument)
    return machine.result()


class _Machine:
    """The stack and the memo of the pickle that is being read."""

    _CONSTANTS: ClassVar[Mapping[str, object]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
    _VALUES = frozenset(
        {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
        | {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
        | {"BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"}
    )
    _TUPLES: ClassVar[Mapping[str, int]] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}
        self._storages: dict[str, Storage] = {}

    def result(self) -> Unpickled:
        (value,) = self._stack
        return Unpickled(value, self._storages)

    def run(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        stack = self._stack
        if name in self._VALUES:
            stack.append(argument)
        elif name in self._CONSTANTS:
            stack.append(self._CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in self._TUPLES:
            count = self._TUPLES[name]
            stack[-count:] = [tuple(stack[-count:])] if len(stack) >= count else _fail()
        elif name not in ("PROTO", "FRAME", "STOP"):
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ValueError(f"the instruction {name} is in no checkpoint of tensors")
            method(*(() if argument is None else (argument,)))

    def _empty_dict(self) -> None:
        self._stack.append({})

    def _empty_list(self) -> None:
        self._stack.append([])

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _tuple(self) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def _appends(self) -> None:
        items = self._since_mark()
        _of(list, self._stack[-1]).extend(items)

    def _append(self) -> None:
        item = self._stack.pop()
        _of(list, self._stack[-1]).append(item)

    def _setitems(self) -> None:
        items = self._since_mark()
        target = _of(dict, self._stack[-1])
        for key, value in zip(items[::2], items[1::2], strict=True):
            _set_item(target, key, value)

    def _setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _set_item(_of(dict, self._stack[-1]), key, value)

    def _global(self, name: str) -> None:
        if name not in _BUILDERS:
            raise ForeignObject(quote(name.replace(" ", ".")))
        self._stack.append(_BUILDERS[name])

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._global(f"{_of(str, module)} {_of(str, name)}")

    def _reduce(self) -> None:
        arguments = _of(tuple, self._stack.pop())
        build = _of(_Builder, self._stack.pop()).build or _fail()
        self._stack.append(build(*arguments))

    def _build(self) -> None:
        """The attributes of an OrderedDict, such as the versions of a state dict, are dropped."""
        self._stack.pop()
        _of(dict, self._stack[-1])

    def _binpersid(self) -> None:
        kind, *values = _of(tuple, self._stack.pop())
        if kind != "storage":
            raise ForeignObject(quote(kind))
        storage, key, _, size, *view = values
        first = 0
        if view and view[0] is not None:  # a part of a storage
            _, first, size = view[0]
        dtype = _of(_Builder, storage).dtype or _fail()
        found = Storage(_of(str, key), dtype, _count(first), _count(size))
        self._storages[found.key] = found
        self._stack.append(found)


def _set_item(target: dict[Any, Any], key: object, value: object) -> None:
    # Nested tuples may take for ever to hash.
    target[_of(str | int, key)] = value


def _of(kind: Any, value: Any) -> Any:
    return value if isinstance(value, kind) else _fail()


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**48 else _fail()


def _fail() -> NoReturn:
    raise ValueError("a corrupt pickle")
