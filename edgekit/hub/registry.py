"""Models by name that are built from a template and published weights: NETWORK-imagenet and NETWORK-imagenet-int8."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import ArtifactError, unknown
from edgekit.files import read_regular_file
from edgekit.hub.built_in import built_in_models, models_folder
from edgekit.hub.fill_template import template_facts
from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS, ImagenetWeights
from edgekit.hub.model_files import read_template
from edgekit.preprocess.spec import Preprocess

_MAX_LABELS_BYTES = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """A model that can be built.

    Attributes:
        name: name of the model, and of its template.
        weights: the published checkpoint.
        template: content of the template.
    """

    name: str
    weights: ImagenetWeights
    template: bytes

    def info(self, *, weights_sha256: str | None = None) -> ArtifactInfo:
        """Return what the model file states about itself.

        Args:
            weights_sha256: of the checkpoint; None if it is not there yet. If it is not the published one, the license
                is "unknown", and what was measured with the published one is left out.
        """
        facts = template_facts(self.template)
        is_published = weights_sha256 is None or weights_sha256.startswith(self.weights.sha256)
        return ArtifactInfo(
            model=facts["network"],
            arguments=facts["arguments"],
            labels=imagenet_labels(),
            preprocess=Preprocess.from_dict(facts["preprocess"]),
            license=self.weights.license if is_published else "unknown",
            precision=facts["precision"],
            weights_sha256=weights_sha256,
            parity=facts["parity"],
            calibration=facts["calibration"],
            metrics=facts["metrics"] if is_published else None,
        )


def named_models() -> dict[str, NamedModel]:
    """Return the models that can be built, by name."""
    models = {}
    for network, weights in IMAGENET_WEIGHTS.items():
        for name in (f"{network}-imagenet", f"{network}-imagenet-int8"):
            template = read_template(name)
            if template is not None:
                models[name] = NamedModel(name=name, weights=weights, template=template)
    return models


def model_named(name: str) -> NamedModel:
    """Return a model that can be built.

    Args:
        name: name of the model.

    Raises:
        ArtifactError: there is no model of that name; the message suggests similar names.
    """
    models = named_models()
    if name not in models:
        message = unknown("model", name, [*built_in_models(), *models])
        raise ArtifactError(f"{message}; see `edgekit models`, or pass the path of an .onnx file")
    return models[name]


def imagenet_labels() -> tuple[str, ...]:
    """Return the names of the 1,000 classes of ImageNet in the order of the logits."""
    path = os.path.join(models_folder(), "templates", "imagenet_labels.txt")  # noqa: PTH118  (may be in a zip archive)
    text = read_regular_file(path, max_bytes=_MAX_LABELS_BYTES, error=ArtifactError).decode()
    return tuple(line for line in text.splitlines() if not line.startswith("#"))
