"""Small convolutional networks in ONNX with random weights, for testing the quantizer."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.preprocess.crops import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.quantize.calibrate import activation_statistics
from edgekit.quantize.passes.insert_qdq import quantized_tensors
from edgekit.quantize.ranges import Range, tensor_ranges

CROP = Size(16, 16)
LABELS = ("red", "green", "blue", "black")
CHANNELS = 8


class _Builder:
    """Collects the nodes and weights of a graph."""

    def __init__(self, seed: int) -> None:
        self.rng, self.nodes, self.weights = np.random.default_rng(seed), [], {}

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, name: str, shape: tuple[int, ...], scale: float) -> str:
        self.weights[name] = self.rng.normal(0, scale, shape).astype(np.float32)
        return name

    def conv(self, source: str, name: str, shape: tuple[int, ...], *, group: int = 1, activation: str | None) -> str:
        scale = 1.4 / np.sqrt(np.prod(shape[1:]))
        inputs = [source, self.weight(f"{name}.w", shape, scale), self.weight(f"{name}.b", shape[:1], 0.3)]
        pad = shape[-1] // 2
        output = self.add("Conv", inputs, name, group=group, pads=[pad] * 4, kernel_shape=shape[2:])
        if activation == "Relu":
            return self.add("Relu", [output], f"{name}_relu")
        if activation == "Relu6":
            return self.add("Clip", [output, "zero", "six"], f"{name}_relu6")
        if activation in ("HardSwish", "HardSigmoid"):
            return self.add(activation, [output], f"{name}_{activation}")
        return output


def conv_network(
    *, activation: str = "Relu6", seed: int = 0, crop: Size = CROP, channels: int = CHANNELS
) -> onnx.ModelProto:
    """Build normalization, a stem, an inverted bottleneck with a residual, average pooling and a linear layer."""
    builder = _Builder(seed)
    wide, narrow = 2 * channels, channels
    builder.weights |= {
        "zero": np.float32(0),
        "six": np.float32(6),
        "scale": np.float32(4 / 255),
        "shift": np.float32(2),
    }
    builder.add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    builder.add("Cast", ["planes"], "floats", to=TensorProto.FLOAT)
    builder.add("Mul", ["floats", "scale"], "scaled")
    builder.add("Sub", ["scaled", "shift"], "normalized")
    stem = builder.conv("normalized", "stem", (narrow, 3, 3, 3), activation=activation)
    expand = builder.conv(stem, "expand", (wide, narrow, 1, 1), activation=activation)
    depthwise = builder.conv(expand, "depthwise", (wide, 1, 3, 3), group=wide, activation=activation)
    project = builder.conv(depthwise, "project", (narrow, wide, 1, 1), activation=None)
    builder.add("Add", [stem, project], "residual")
    builder.add("GlobalAveragePool", ["residual"], "pooled")
    builder.add("Flatten", ["pooled"], "flat")
    builder.add(
        "Gemm",
        ["flat", builder.weight("fc.w", (4, narrow), 1.5), builder.weight("fc.b", (4,), 0.1)],
        "logits",
        transB=1,
    )
    graph = helper.make_graph(
        builder.nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", *crop, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in builder.weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def with_large_layer(*, gemm: bool) -> onnx.ModelProto:
    """Build the network with a layer of 256 x 512 weights before its last one, as a Gemm or as a MatMul."""
    model = conv_network()
    rng, graph = np.random.default_rng(0), model.graph
    last = graph.node.pop()
    shapes = {"wide.w": (8, 512), "large.w": (256, 512) if gemm else (512, 256), "narrow.w": (256, 8)}
    for name, shape in shapes.items():
        values = rng.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, name))
    if gemm:
        graph.initializer.append(numpy_helper.from_array(rng.normal(0, 1, 256).astype(np.float32), "large.b"))
    large = ["wide", "large.w", "large.b"] if gemm else ["wide", "large.w"]
    attributes = {"transB": 1} if gemm else {}
    graph.node.append(helper.make_node("MatMul", ["flat", "wide.w"], ["wide"], name="wide"))
    graph.node.append(helper.make_node("Gemm" if gemm else "MatMul", large, ["large"], name="large", **attributes))
    graph.node.append(helper.make_node("MatMul", ["large", "narrow.w"], ["narrow"], name="narrow"))
    last.input[0] = "narrow"
    graph.node.append(last)
    return model


def network_info(crop: Size = CROP) -> ArtifactInfo:
    """Return the metadata of a file with such a network."""
    preprocess = Preprocess(resize=min(crop), crop=crop, mean=(0.5,), std=(0.25,))
    return ArtifactInfo(model="made", labels=LABELS, preprocess=preprocess, license="CC0-1.0")


def write_network(path: Path, model: onnx.ModelProto | None = None, crop: Size = CROP) -> Path:
    """Write the network, by default conv_network, as an edgekit model to `path`."""
    write_info((model or conv_network(crop=crop)).SerializeToString(), network_info(crop), path)
    return path


def noise(count: int, *, seed: int = 1, crop: Size = CROP) -> list[np.ndarray]:
    """Draw uint8 (1, height, width, 3) images: noise on a background color that differs from image to image."""
    rng = np.random.default_rng(seed)
    background = rng.integers(0, 256, (count, 1, 1, 3))
    grain = rng.normal(0, 40, (count, *crop, 3))
    return list(np.clip(background + grain, 0, 255).astype(np.uint8)[:, None])


IMAGES = noise(12)


def logits(model: onnx.ModelProto) -> np.ndarray:
    """Run a model on IMAGES and return its logits: (12, 4)."""
    session = ort.InferenceSession(model.SerializeToString())
    return np.concatenate([session.run(["logits"], {"pixels": image})[0] for image in IMAGES])


def minmax(model: onnx.ModelProto) -> dict[str, Range]:
    """Measure the min-max ranges of a network's tensors over IMAGES."""
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)
    return tensor_ranges(statistics, {}, calibrator="minmax")
