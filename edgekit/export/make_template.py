"""Makes templates: the exported graph of a network without its weights, and how those follow from a checkpoint.

The network gets random weights and random statistics, and is exported as any other. Each initializer that has the
values of a tensor, or of a convolution folded with its batch norm, gets that source. Then the template is filled with
other random weights, and its logits are compared with torch's.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import nn

from edgekit.artifact.info import ArtifactInfo, read_model
from edgekit.artifact.template import Copied, Folded, Source, Template, pack_template
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, quote
from edgekit.evaluate.parity import Parity, measure_parity, onnx_logits, require_parity
from edgekit.export.from_torch import TOLERANCE
from edgekit.export.parity_inputs import parity_pixels
from edgekit.export.pipeline import convert
from edgekit.graph.index import Array, Graph
from edgekit.hub.fill_template import fill_template
from edgekit.image.source import Pixels
from edgekit.image.synthetic import draw_scenes
from edgekit.preprocess.scores import Floats
from edgekit.zoo.build import build, published_keys, published_padding
from edgekit.zoo.network import Network, PixelNetwork
from edgekit.zoo.specs import spec_named

# Initializers of up to this size that have no source stay in the graph: normalization, bounds, axes and shapes.
_MAX_CONSTANT = 64
_MAX_ULP = 2
_DRAWINGS = 4
_LEAST_VARIANCE = 0.01  # of a channel; dividing by that of a constant one would amplify rounding


def make_template(model: str) -> bytes:
    """Make the float32 template of a network with published weights.

    Args:
        model: name of the network. Its padding is the one that the published weights need; its other arguments and its
            preprocessing are those of its spec.

    Returns:
        Content of the template file.

    Raises:
        EdgekitError: an initializer does not follow from the published tensors.
        ParityError: the filled template and torch compute different logits.
    """
    preprocess, padding = spec_named(model).preprocess, published_padding(model)
    arguments = {"in_channels": preprocess.channels} | ({} if padding is None else {"padding": padding})
    network = build(model, **arguments).eval()
    classes = next(reversed(network.state_dict().values())).shape[0]
    info = ArtifactInfo(
        model=model,
        arguments=arguments,
        labels=tuple(map(str, range(classes))),
        preprocess=preprocess,
        license="unknown",
    )
    template = _sourced_template(network, info)
    parity = _verify(network, template, info)
    figures = {"template": parity.to_dict() | {"on": "drawings, random weights"}}
    return pack_template(dataclasses.replace(template, facts={**template.facts, "parity": figures}))


def published_paths(model: str) -> dict[str, str]:
    """The module paths of the published checkpoint by those of the network."""
    return {ours: published for published, ours in published_keys(model).items()}


def without_values(model: ModelProto, values: Mapping[str, Array | None]) -> bytes:
    """Serialize a model without its metadata and without the values of some initializers.

    Args:
        model: any model; it is changed.
        values: by the name of the initializer: None, or the values that replace its own.
    """
    del model.metadata_props[:]
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.ClearField("raw_data")
            replacement = values[tensor.name]
            if replacement is not None:
                tensor.raw_data = replacement.tobytes()
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _sourced_template(network: Network, info: ArtifactInfo) -> Template:
    """Export the network with random weights, and find the sources of the initializers."""
    paths, tensors = published_paths(info.model), _randomized(network, info, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        convert(network, info, path, images=_drawings())
        exported = onnx.load_from_string(read_model(path))
    sources = initializer_sources(Graph(exported), _candidates(network, paths, tensors))
    facts = {
        "network": info.model,
        "arguments": info.arguments,
        "classes": len(info.labels),
        "preprocess": info.preprocess.to_dict(),
        "precision": info.precision,
        "target": None,
        "weights_sha256": None,
        "calibration": None,
        "metrics": None,
    }
    optional = tuple(sorted(f"{published}." for ours, published in paths.items() if ours.startswith("auxiliary.")))
    model = without_values(exported, dict.fromkeys(sources))
    return Template(model=model, facts=facts, sources=sources, optional=optional)


def _randomized(network: Network, info: ArtifactInfo, *, seed: int) -> dict[str, Floats]:
    """Give a network random weights; return its tensors by their published names.

    Deep networks with random weights are chaotic: rounding in the first layers may change the logits of ResNet-152 by
    0.3%. So the statistics of batch norms become those of drawings, and their shifts are larger than their scales,
    which leaves most activations on one side of zero. Then torch computes the logits within 3e-6, and those of two
    drawings still differ by 1% or more.
    """
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif tensor.is_floating_point():
            module, name = network.get_submodule(key.rpartition(".")[0]), key.rpartition(".")[2]
            if isinstance(module, nn.BatchNorm2d) and name == "weight":
                tensor.uniform_(0.1, 0.5, generator=generator)
            else:
                tensor.normal_(std=1.0 if isinstance(module, nn.BatchNorm2d) else 0.1, generator=generator)
    _measure_statistics(network, info)
    paths = published_paths(info.model)
    named = ((key.rpartition("."), tensor) for key, tensor in network.state_dict().items())
    return {f"{paths[path]}.{name}": tensor.numpy().copy() for (path, _, name), tensor in named if tensor.ndim}


def _measure_statistics(network: Network, info: ArtifactInfo) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches: of the single one below
        norm.train()
    with torch.no_grad():
        pixels = torch.from_numpy(_pixels(info))
        PixelNetwork(network, mean=info.preprocess.mean, std=info.preprocess.std)(pixels)
    for norm in norms:
        norm.eval()
        assert norm.running_var is not None
        norm.running_var.clamp_(min=_LEAST_VARIANCE)


def _candidates(
    network: Network, paths: Mapping[str, str], tensors: Mapping[str, Floats]
) -> Iterator[tuple[Source, Floats]]:
    """Every source that an initializer may have, with its values."""
    for path, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) and path in paths:
            conv, norm = paths[f"{path.removesuffix('norm')}conv"], paths[path]
            has_bias = f"{conv}.bias" in tensors
            for part in ("weight", "bias"):
                folded = Folded(part=part, conv=conv, norm=norm, epsilon=module.eps, has_bias=has_bias)
                yield folded, folded.values(tensors)
    for name, values in tensors.items():
        yield Copied(tensor=name), values
        if values.ndim == 2:
            yield Copied(tensor=name, transposed=True), values.T


def initializer_sources(graph: Graph, candidates: Iterable[tuple[Source, Floats]]) -> dict[str, Source]:
    """Find the sources of the initializers of an exported graph by their values.

    Args:
        graph: the graph.
        candidates: sources with their values.

    Returns:
        The source of each initializer that has one, by its name; the others are small.

    Raises:
        EdgekitError: an initializer of more than 64 values has no source.
    """
    by_shape = defaultdict(list)
    for source, values in candidates:
        by_shape[values.shape].append((source, values))
    sources = {}
    for name, tensor in graph.initializers.items():
        values = np.asarray(numpy_helper.to_array(tensor))
        matching = next((source for source, other in by_shape[values.shape] if _are_equal(values, other)), None)
        if matching is not None:
            sources[name] = matching
        elif values.size > _MAX_CONSTANT:
            raise EdgekitError(
                f"initializer {quote(name)} of shape {values.shape} is neither a tensor of the checkpoint nor a "
                f"convolution folded with its batch norm"
            )
    return sources


def _are_equal(values: Array, expected: Floats) -> bool:
    """Whether two arrays are equal up to 2 units in the last place of float32."""
    if values.dtype != np.float32:
        return False
    flat = values.astype(np.float32, copy=False).ravel()
    for part in (slice(_MAX_CONSTANT), slice(None)):  # the first values tell most arrays apart
        ours, theirs = flat[part], expected.ravel()[part]
        if not (np.abs(ours - theirs) <= _MAX_ULP * np.spacing(np.maximum(np.abs(ours), np.abs(theirs)))).all():
            return False
    return True


def _verify(network: Network, template: Template, info: ArtifactInfo) -> Parity:
    """Fill the template with other random weights, and compare its logits with torch's."""
    filled = fill_template(pack_template(template), _randomized(network, info, seed=1), info=info)
    reference = PixelNetwork(network, mean=info.preprocess.mean, std=info.preprocess.std).eval()

    @torch.inference_mode()
    def torch_logits(pixels: Pixels) -> Floats:
        logits: Floats = reference(torch.from_numpy(pixels)).numpy()
        return logits

    parity = measure_parity(torch_logits, onnx_logits(filled, name="the filled template"), _pixels(info))
    require_parity(parity, step="filling the template", tolerance=TOLERANCE)
    return parity


def _drawings() -> ImageSet:
    return ImageSet((), draw_scenes(_DRAWINGS), tuple(map(str, range(_DRAWINGS))), (0,) * _DRAWINGS)


def _pixels(info: ArtifactInfo) -> Pixels:
    return parity_pixels(info.preprocess, _drawings())[0]
