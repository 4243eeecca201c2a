"""The models that a server has loaded, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edgekit.artifact.info import read_model
from edgekit.errors import ArtifactError, SpecError, must_be, quote, unknown
from edgekit.files import check_regular_file, sha256
from edgekit.hub.model_files import default_model, existing_file, model_source
from edgekit.hub.registry import model_named
from edgekit.image.decode_limits import ImageLimits
from edgekit.runtime.classifier import Classifier
from edgekit.serve.request_errors import NotFound

_EXTENSIONS = (".onnx", ".ort")


class ServedModel(NamedTuple):
    """A model that is loaded.

    Attributes:
        name: in requests and results: the name that was given, or that of the file without its extension.
        classifier: predicts with one thread; the threads of the pool share it.
        path: its file; None if it could not be stored in the cache.
        sha256: of the file's content, in hexadecimal.
    """

    name: str
    classifier: Classifier
    path: Path | None
    sha256: str


class ModelStore:
    """The models of a server. Iterating yields them, the default first.

    Args:
        models: paths of files or names of models; by default the model that `Classifier` opens by default.
        limits: largest image accepted.

    Attributes:
        default: name of the model that is used if a request names none.

    Raises:
        ArtifactError: a model is not found, is not an edgekit artifact, or is refused.
        SpecError: two models have the same name.
    """

    def __init__(self, models: Iterable[str | os.PathLike[str]], *, limits: ImageLimits) -> None:
        self._limits = limits
        sources = model_names(models)
        self.default = next(iter(sources))
        self._models = {name: self.open(name, model_source(model)) for name, model in sources.items()}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(tuple(self._models.values()))

    def open(self, name: str, source: str | os.PathLike[str] | bytes) -> ServedModel:
        """Open and warm up a model, for threads that each predict with one thread of onnxruntime.

        Raises:
            ArtifactError: it is not found, is not an edgekit artifact, or is refused.
        """
        # Its file is read twice: one that is replaced in between differs from this digest, so that it is loaded again.
        content = source if isinstance(source, bytes) else read_model(source)
        classifier = Classifier(source, threads=1, limits=self._limits)
        classifier.warmup()
        return ServedModel(name, classifier, classifier.path, sha256(content))

    def replace(self, model: ServedModel) -> None:
        """Use this model from the next request on. Requests in work keep the one that they began with."""
        self._models[model.name] = model

    def names(self) -> tuple[str, ...]:
        """The names of the models, the default first."""
        return tuple(self._models)

    def get(self, name: str | None = None) -> ServedModel:
        """The model of this name, or the default.

        Raises:
            NotFound: there is no such model; the message suggests similar names.
        """
        model = self._models.get(self.default if name is None else name)
        if model is None:
            raise NotFound(unknown("model", name, self._models))
        return model

    def close(self) -> None:
        """Release the models' memory. Predicting after that is an error."""
        for model in self:
            model.classifier.close()


def model_names(models: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
    """The name of each model in requests, and the model; without any, those of the default model.

    The name is that of the file without its extension, or the name that was given.

    Raises:
        ArtifactError: there is no such model.
        SpecError: two models have the same name, or one is neither a path nor a name.

    Example:
        >>> from edgekit.serve.models import model_names
        >>> model_names(["model.onnx", "mobilenet_v2-cifar10-int8"])
        {'model': 'model.onnx', 'mobilenet_v2-cifar10-int8': 'mobilenet_v2-cifar10-int8'}
    """
    named: dict[str, str] = {}
    for model in [_checked(model) for model in models] or [default_model()]:
        file = os.path.split(model)[1]
        name = next((file.removesuffix(end) for end in _EXTENSIONS if file.endswith(end)), file)
        if not name:
            raise SpecError(f"{quote(model)}: a model without a name cannot be requested; rename the file")
        if name in named:
            raise SpecError(f"{named[name]} and {model} would both be named {name}; rename one of the files")
        named[name] = model
    return named


def _checked(model: str | os.PathLike[str]) -> str:
    """The path or name, if there is such a model. It is not opened, and not built either."""
    if not isinstance(model, str | os.PathLike):
        raise SpecError(must_be("models", "paths of files or names of models", model))
    name = os.fsdecode(model)
    file = existing_file(name)
    if file is None:
        model_named(name)
    elif file == name:  # else it comes with the package, or lies in the cache
        check_regular_file(name, error=ArtifactError)
    return name
