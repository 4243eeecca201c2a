"""Eight-bit integers instead of floats, and a gate that refuses a model that is worse or slower."""

from __future__ import annotations

import dataclasses
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from edgekit import image
from edgekit.artifact import ArtifactInfo, parse_info, read_model, write_info, write_sidecar
from edgekit.dataset import PictureSet
from edgekit.errors import DataError, QualityGateError
from edgekit.evaluate.accuracy import Accuracy, measure_accuracy
from edgekit.evaluate.latency import PairedLatency, paired_latency
from edgekit.export.clean import serialized
from edgekit.export.parity import Parity, compare, onnx_logits
from edgekit.files import sha256
from edgekit.image import Pixels
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.machine import machine
from edgekit.runtime.session import open_session

MIN_CALIBRATION_PICTURES = 8
# What carries the weights: everything before the first of them is the normalization, which stays in float.
_WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRecipe:
    """How weights and activations become integers.

    The defaults are what keeps depthwise networks alive: one scale for each output channel of the weights (s8), and
    unsigned activations (u8), for which x86 has the faster instructions. reduce_range leaves out the highest bit of the
    weights, which x86 processors with AVX2 or AVX512 but without VNNI need against overflow.
    """

    per_channel: bool = True
    activations: str = "uint8"
    reduce_range: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gate saw: accuracy of parent and child on held-out pictures, their agreement, their latency."""

    parent: Accuracy
    child: Accuracy
    parity: Parity
    latency: PairedLatency

    @property
    def drop(self) -> float:
        """Points of top-1 lost (negative where the child is better)."""
        return 100 * (self.parent.top1 - self.child.top1)

    def evidence(self) -> dict[str, Any]:
        """What goes into the file: measured on the pictures, the same on every machine of a kind; no timings."""
        return self.parity.to_dict() | {
            "parent_top1": self.parent.top1,
            "top1": self.child.top1,
            "held_out": len(self.child.truth),
        }


def quantize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    calibration: PictureSet,
    held_out: PictureSet,
    recipe: QuantizeRecipe | None = None,
    max_drop: float = 1.0,
    min_speedup: float = 1.0,
    on_picture: Callable[[], None] = lambda: None,
) -> Judgement:
    """Write an int8 artifact to a new path, if it passes the gate.

    The gate: at most `max_drop` points of top-1 lost on the labelled `held_out` pictures, and at least `min_speedup`
    times as fast as its parent on one thread. calibration: pictures whose activations set the ranges; none of them may
    be held out. on_picture is called after each picture judged. Raises QualityGateError, with the figures, for a model
    that is worse; then nothing is written.
    """
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    if info.precision != "float32":
        raise DataError(f"{os.fspath(source)}: is {info.precision} already; quantize the float32 file")
    _check_calibration(calibration, held_out)
    pixels = _pixels(calibration, info)
    quantized = _quantized(model, pixels, recipe or QuantizeRecipe())
    info = dataclasses.replace(
        info,
        precision="int8",
        parent_sha256=sha256(model),
        calibration={"pictures": len(pixels), "sha256": sha256(pixels.tobytes()), "method": "minmax"},
    )
    judgement = _judged(Path(source), quantized, info, held_out, on_picture)
    require_quality(judgement, max_drop=max_drop, min_speedup=min_speedup)
    info = dataclasses.replace(
        info,
        parity={**info.parity, "quantize": judgement.evidence()},
        metrics=judgement.child.to_dict(),
    )
    write_info(quantized, info, Path(path))
    write_sidecar(path, {"latency": judgement.latency.to_dict(), "machine": machine()})
    return judgement


def require_quality(judgement: Judgement, *, max_drop: float, min_speedup: float) -> None:
    """Raises QualityGateError saying which limit is passed, and by how much."""
    before, after = 100 * judgement.parent.top1, 100 * judgement.child.top1
    if judgement.drop > max_drop:
        raise QualityGateError(
            f"int8 loses {judgement.drop:.2f} points of top-1 ({before:.2f}% -> {after:.2f}% on "
            f"{len(judgement.child.truth)} held-out pictures), more than --max-drop {max_drop}; nothing was written"
        )
    if judgement.latency.speedup < min_speedup:
        raise QualityGateError(
            f"int8 is {judgement.latency.speedup:.2f} times as fast as float32 here, less than --min-speedup "
            f"{min_speedup}; nothing was written"
        )


def _check_calibration(calibration: PictureSet, held_out: PictureSet) -> None:
    if len(calibration) < MIN_CALIBRATION_PICTURES:
        raise DataError(
            f"{len(calibration)} calibration pictures say too little about the ranges; "
            f"give at least {MIN_CALIBRATION_PICTURES}"
        )
    shared = set(calibration.names) & set(held_out.names)
    if shared:
        raise DataError(f"{len(shared)} pictures are to calibrate and to judge ({min(shared)}); keep them apart")


def _pixels(pictures: PictureSet, info: ArtifactInfo) -> Pixels:
    preprocess = info.preprocess
    return np.concatenate([preprocess.pixels(image.load(s, color=preprocess.color)) for s in pictures.sources])


def _quantized(model: bytes, pixels: Pixels, recipe: QuantizeRecipe) -> bytes:
    parsed = onnx.load_from_string(model)
    for number, node in enumerate(parsed.graph.node):  # exclusion goes by name, and the simplifier leaves some without
        node.name = node.name or f"{node.op_type}_{number}"
    activations = QuantType.QUInt8 if recipe.activations == "uint8" else QuantType.QInt8
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder, "quantized.onnx")
        quantize_static(
            parsed,
            target,
            _Reader(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=recipe.per_channel,
            reduce_range=recipe.reduce_range,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_normalization(parsed.graph),
            calibrate_method=CalibrationMethod.MinMax,
        )
        return serialized(onnx.load(target))


def _normalization(graph: GraphProto) -> list[str]:
    """The nodes that no weighted node comes before: they turn raw pixels into the network's input."""
    weighted: set[str] = set()
    before = []
    for node in graph.node:  # in topological order, as ONNX demands
        if node.op_type in _WEIGHTED or weighted & set(node.input):
            weighted.update(node.output)
        else:
            before.append(node.name)
    return before


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """One picture at a time, as onnxruntime's calibration asks for them."""

    def __init__(self, pixels: Pixels) -> None:
        self._feeds: Iterator[dict[str, Pixels]] = ({"pixels": picture[None]} for picture in pixels)

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._feeds, None)


class _quiet:  # noqa: N801
    """onnxruntime's tools advise on the root logger what has been done already."""

    def __enter__(self) -> None:
        self._disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._disabled)


def _judged(
    source: Path, quantized: bytes, info: ArtifactInfo, held_out: PictureSet, on_picture: Callable[[], None]
) -> Judgement:
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, "candidate.onnx")
        write_info(quantized, info, candidate)
        parent = measure_accuracy(Classifier(source), held_out, on_picture=on_picture)
        child = measure_accuracy(Classifier(candidate), held_out, on_picture=on_picture)
    pixels = _pixels(held_out.sample(16, seed=0), info)
    model = read_model(source)
    before, after = (open_session(m, name="the model", threads=1) for m in (model, quantized))
    return Judgement(
        parent=parent,
        child=child,
        parity=compare(onnx_logits(model, name="the parent"), onnx_logits(quantized, name="the candidate"), pixels),
        latency=paired_latency(before, after, pixels[:1], threads=1),
    )
