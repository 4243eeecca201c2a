"""Reads the tensors of weights files in numpy: without torch or safetensors, and without running code from the file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.artifact.json_document import parse_json_object
from edgekit.artifact.tensor_pickle import ForeignObject, StoredTensor
from edgekit.artifact.torch_file import TorchFile, item_bytes, read_torch_file
from edgekit.errors import WeightsError, listed, quote
from edgekit.files import check_regular_file, read_regular_file

Tensors: TypeAlias = dict[str, npt.NDArray[Any]]

_MAX_BYTES = 2**30  # of a weights file; that of VGG-19, the largest of the zoo, has 0.57e9
# Tensors may share their numbers, but not without bound: whoever copies them would need the memory.
_MAX_SHARING = 2
# Where training scripts put the state dict, and what DataParallel, torch.compile or Lightning add to every name.
_STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
_WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_AVERAGED_COUNT = "n_averaged"  # what torch.optim.swa_utils.AveragedModel adds beside its module
_SAFETENSORS_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def read_checkpoint(path: str | os.PathLike[str]) -> Tensors:
    """Read the tensors of a .safetensors file or of a state dict in a .pth file.

    The state dict may be an entry of a checkpoint, under a usual name or as its only dict, at any depth. The prefixes
    that DataParallel, torch.compile, Lightning and the like add to every name are removed, in any order.

    Args:
        path: weights file. Files with another suffix than .safetensors are read as .pth.

    Returns:
        The tensors by name: read-only arrays over the content of the file. bfloat16, which numpy lacks, becomes
        float32 of the same values.

    Raises:
        WeightsError: the file cannot be read, or contains anything but dense tensors.

    Example:
        >>> from edgekit.artifact.checkpoint_reader import read_checkpoint
        >>> read_checkpoint("resnet18.pth")["fc.weight"].shape  # doctest: +SKIP
        (1000, 512)
    """
    name = os.fspath(path)
    check_regular_file(path, error=WeightsError)
    return parse_checkpoint(read_regular_file(path, max_bytes=_MAX_BYTES, error=WeightsError), name=name)


def parse_checkpoint(data: bytes, *, name: str) -> Tensors:
    """Read the tensors of a weights file as `read_checkpoint` does.

    Args:
        data: content of the file.
        name: path of the file, for its suffix and for messages.

    Raises:
        WeightsError: as in `read_checkpoint`.
    """
    try:
        if Path(name).suffix == ".safetensors":
            tensors = dict(_safetensors(data))
        else:
            tensors = dict(_torch_tensors(read_torch_file(data), name))
        if sum(tensor.nbytes for tensor in tensors.values()) > _MAX_SHARING * len(data):
            raise ValueError(f"its tensors have more than {_MAX_SHARING} times as many bytes as the file")
    except WeightsError:
        raise
    except ForeignObject as error:
        raise WeightsError(
            f"{name}: refused: contains {error}; only dense tensors are read, because other objects could run code; "
            "save only the state dict, preferably as .safetensors"
        ) from None
    except Exception as error:  # corrupt files make zipfile, pickletools and numpy raise errors of many classes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{name}: not a readable .safetensors or .pth file of tensors: {reason}") from None
    return _without_wrapper(tensors)


def _torch_tensors(file: TorchFile, name: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for key, stored in _state_dict(file.content, name).items():
        storage, step = stored.storage, item_bytes(stored.storage.dtype)
        count = math.prod(stored.shape)
        last = stored.offset + sum((n - 1) * stride for n, stride in zip(stored.shape, stored.strides, strict=True))
        if count > storage.size or (count and last >= storage.size):
            raise ValueError(
                f"{quote(key)}, shape {quote(stored.shape)}, exceeds its storage of {storage.size} numbers"
            )
        part = file.storage(storage)[stored.offset * step :]
        yield key, _array(part, storage.dtype, stored.shape, [stride * step for stride in stored.strides])


def _state_dict(content: object, path: str) -> Mapping[str, StoredTensor]:
    """The state dict that the content is or contains. Raises WeightsError if it has entries that are no tensors."""
    while isinstance(content, dict):
        dicts = [key for key, value in content.items() if isinstance(value, dict)]
        key = next((key for key in _STATE_DICT_KEYS if key in dicts), dicts[0] if len(dicts) == 1 else None)
        if key is None:
            break
        content = content[key]
    if not isinstance(content, dict) or not content:
        kind = {dict: "an empty dict", StoredTensor: "a tensor"}.get(type(content), type(content).__name__)
        raise WeightsError(f"{path}: must contain a state dict of tensors (got {kind})")
    others = [quote(name) for name, value in content.items() if not (isinstance(name, str) and _is_tensor(value))]
    if others:
        raise WeightsError(f"{path}: must contain a state dict of dense tensors; other entries: {listed(others)}")
    return content


def _is_tensor(value: object) -> bool:
    return isinstance(value, StoredTensor)


def _safetensors(data: bytes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Reference: github.com/huggingface/safetensors, "Format"."""
    if len(data) < 8:
        raise ValueError("it is empty" if not data else "it is truncated")
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError("it is shorter than its header states")
    header = parse_json_object(str(data[8:start], "utf-8"), what="its header")
    header.pop("__metadata__", None)
    if not header:
        raise ValueError("it has no tensors")
    for name, entry in header.items():
        dtype, shape = _SAFETENSORS_DTYPES[entry["dtype"]], entry["shape"]
        first, end = entry["data_offsets"]
        if not all(type(n) is int and n >= 0 for n in (*shape, first, end)) or start + end > len(data):
            raise ValueError(f"{quote(name)} is outside of the file")
        if end - first != math.prod(shape) * item_bytes(dtype):
            raise ValueError(f"{quote(name)} has {end - first} bytes, which do not fit its shape {quote(shape)}")
        yield name, _array(memoryview(data)[start + first : start + end], dtype, shape)


def _array(
    part: memoryview, dtype: str, shape: Sequence[int], strides: Sequence[int] | None = None
) -> npt.NDArray[Any]:
    """An array over these bytes. strides: in bytes."""
    if not math.prod(shape):
        return np.empty(shape, "float32" if dtype == "bfloat16" else dtype)
    if dtype != "bfloat16":
        return np.ndarray(shape, dtype, part, strides=strides)
    # The upper half of a float32.
    halves: npt.NDArray[np.uint16] = np.ndarray(shape, np.uint16, part, strides=strides)
    return np.asarray(halves.astype(np.uint32) << 16).view(np.float32)


def _without_wrapper(tensors: Tensors) -> Tensors:
    """The tensors without the prefixes that wrappers add to every name, and without what they count."""
    wrapped = {name: tensor for name, tensor in tensors.items() if name != _AVERAGED_COUNT}
    for prefix in _WRAPPER_PREFIXES:
        if wrapped and all(name.startswith(prefix) for name in wrapped):
            return _without_wrapper({name.removeprefix(prefix): tensor for name, tensor in wrapped.items()})
    return tensors
