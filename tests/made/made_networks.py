"""Small convolutional networks as ONNX, with weights by a seed: what the quantizer is tried on."""

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
    """Collects nodes and weights."""

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
        return output


def conv_network(
    *, activation: str = "Relu6", seed: int = 0, crop: Size = CROP, channels: int = CHANNELS
) -> onnx.ModelProto:
    """Pixels, normalization, and one inverted bottleneck with a residual, then mean and a linear layer."""
    made = _Builder(seed)
    wide, few = 2 * channels, channels
    made.weights |= {"zero": np.float32(0), "six": np.float32(6), "scale": np.float32(4 / 255), "shift": np.float32(2)}
    made.add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    made.add("Cast", ["planes"], "floats", to=TensorProto.FLOAT)
    made.add("Mul", ["floats", "scale"], "scaled")
    made.add("Sub", ["scaled", "shift"], "normalized")
    stem = made.conv("normalized", "stem", (few, 3, 3, 3), activation=activation)
    expand = made.conv(stem, "expand", (wide, few, 1, 1), activation=activation)
    depthwise = made.conv(expand, "depthwise", (wide, 1, 3, 3), group=wide, activation=activation)
    project = made.conv(depthwise, "project", (few, wide, 1, 1), activation=None)
    made.add("Add", [stem, project], "residual")
    made.add("GlobalAveragePool", ["residual"], "pooled")
    made.add("Flatten", ["pooled"], "flat")
    made.add("Gemm", ["flat", made.weight("fc.w", (4, few), 1.5), made.weight("fc.b", (4,), 0.1)], "logits", transB=1)
    graph = helper.make_graph(
        made.nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", *crop, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in made.weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def with_large_layer(*, gemm: bool) -> onnx.ModelProto:
    """The network with a layer of 256 x 512 weights before its last one, as a Gemm or as a MatMul."""
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
    """What a file with such a network says of itself."""
    preprocess = Preprocess(resize=min(crop), crop=crop, mean=(0.5,), std=(0.25,))
    return ArtifactInfo(model="made", labels=LABELS, preprocess=preprocess, license="CC0-1.0")


def write_network(path: Path, model: onnx.ModelProto | None = None, crop: Size = CROP) -> Path:
    """The network as an artifact at `path`."""
    write_info((model or conv_network(crop=crop)).SerializeToString(), network_info(crop), path)
    return path


def noise(count: int, *, seed: int = 1, crop: Size = CROP) -> list[np.ndarray]:
    """Uint8 (1, height, width, 3) images of blurred noise, each with a color of its own."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (count, 1, 1, 3))
    grain = rng.normal(0, 40, (count, *crop, 3))
    return list(np.clip(ground + grain, 0, 255).astype(np.uint8)[:, None])


IMAGES = noise(12)


def logits(model: onnx.ModelProto) -> np.ndarray:
    """What a model answers for IMAGES: (12, 4)."""
    session = ort.InferenceSession(model.SerializeToString())
    return np.concatenate([session.run(["logits"], {"pixels": image})[0] for image in IMAGES])


def minmax(model: onnx.ModelProto) -> dict[str, Range]:
    """The ranges of the network's tensors over IMAGES."""
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)
    return tensor_ranges(statistics, {}, calibrator="minmax")
