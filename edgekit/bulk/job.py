"""What a bulk prediction is: its models, options and output. Picklable, so that engines can send it to workers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from edgekit.artifact.info import read_model
from edgekit.errors import ArtifactError, SpecError, must_be
from edgekit.files import sha256
from edgekit.hub.web_image import DEFAULT_TIMEOUT_S
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.json_record import json_record
from edgekit.shards import ShardLayout
from edgekit.shards.stores import shown, split_query
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.errors import ImageError
    from edgekit.runtime.prediction import Prediction
    from edgekit.runtime.predictor import Predictor

PARQUET, JSON_LINES = ".parquet", ".jsonl"


class JobModel(NamedTuple):
    """A model file of a job.

    Attributes:
        name: its name or path, as it was given.
        source: the path of its file, or the content of it.
        sha256: of the content.
    """

    name: str
    source: str | bytes
    sha256: str

    @classmethod
    def read(cls, name: str, source: str | bytes) -> JobModel:
        """The model at `source`, a path or the content of a file. Raises ArtifactError if it cannot be read."""
        return cls(name, source, sha256(_content(source)))

    def content(self) -> bytes:
        """The bytes of the file. Raises ArtifactError if they have changed since the job was started."""
        content = _content(self.source)
        if sha256(content) != self.sha256:
            raise ArtifactError(f"{self.name}: has changed since the job was started; start another one")
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Which images are predicted, by which models, with which options, and where the predictions are written.

    Args:
        models: one, or the members of an ensemble.
        sources: names of input shards, as for `find_shards`, or of images, as for `find_images`.
        lists: text files of such names, one per line or separated by NUL; - reads stdin.
        output: the folder of the parts, as a path or the URI of an object store; it ends in .parquet or .jsonl.
        weights: of the members of an ensemble; equal by default.
        top: as for `Classifier.predict`, and so are plan, budget, average and unknown_below.
        plan: as above.
        budget: as above.
        average: as above.
        unknown_below: as above.
        limits: as for `Classifier`, and so are exact, provider and trusted.
        exact: as above.
        provider: as above.
        trusted: as above.
        logits: whether classes have logits in place of probabilities.
        short_names: whether labels are shortened, as by `short_label`.
        layout: what the columns of Parquet shards are.
        timeout_s: seconds allowed for fetching one web address.
        message_of: how the message of an error is worded.

    Raises:
        SpecError: the output has another extension.
    """

    models: tuple[JobModel, ...]
    sources: tuple[str, ...]
    output: str
    lists: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    top: int = 1
    plan: str | int = "center"
    budget: float | None = None
    average: Average = "probabilities"
    unknown_below: float = 0.0
    limits: ImageLimits = DEFAULT_LIMITS
    exact: bool = False
    provider: str | None = None
    trusted: bool = False
    logits: bool = False
    short_names: bool = False
    layout: ShardLayout = field(default_factory=ShardLayout)
    timeout_s: float = DEFAULT_TIMEOUT_S
    message_of: Callable[[Exception], str] = str

    def __post_init__(self) -> None:
        if not self._folder_name.endswith((PARQUET, JSON_LINES)):
            expected = f"a folder whose name ends in {PARQUET} or {JSON_LINES}"
            raise SpecError(must_be("output", expected, self.shown_output))

    @property
    def format(self) -> str:
        """The extension of the parts: .parquet or .jsonl."""
        return PARQUET if self._folder_name.endswith(PARQUET) else JSON_LINES

    @property
    def _folder_name(self) -> str:
        return split_query(self.output)[0].rstrip("/").lower()

    @property
    def shown_output(self) -> str:
        """The output as messages call it: without options of its URI, which may be secrets."""
        return shown(self.output)

    @property
    def shown_sources(self) -> list[str]:
        """The sources as files state them: without options of their URIs, which may be secrets."""
        return [shown(source) for source in (*self.sources, *self.lists)]

    @property
    def model_name(self) -> str:
        """The names of the models, as records have them."""
        return " + ".join(model.name for model in self.models)

    def portable(self) -> Job:
        """The same job with the content of the model files in place of their paths, for workers on other machines.

        Raises:
            ArtifactError: a file has changed since the job was started.
        """
        return replace(self, models=tuple(model._replace(source=model.content()) for model in self.models))

    def settings(self) -> dict[str, Any]:
        """All that the content of the parts depends on besides the images, ready for JSON."""
        return {
            "edgekit": __version__,
            "model": [model.sha256 for model in self.models],
            "format": self.format,
            **self.options(),
            "image_column": self.layout.image_column,
            "key_column": self.layout.key_column,
        }

    def options(self) -> dict[str, Any]:
        """The options of the prediction, ready for JSON."""
        names = ("weights", "top", "plan", "budget", "average", "unknown_below", "exact", "provider")
        options = {name: getattr(self, name) for name in (*names, "logits", "short_names")}
        weights = None if self.weights is None else list(self.weights)
        return options | {"weights": weights, "plan": str(self.plan), **self.limits._asdict()}

    def open_predictor(self) -> Predictor:
        """Open the models with one thread each, for images that are predicted beside each other.

        Raises:
            ArtifactError: a file has changed since the job was started, or is refused.
            SpecError: an option does not fit the models.
        """
        classifiers = [self._open_classifier(model) for model in self.models]
        if len(classifiers) == 1 and self.weights is None:
            return classifiers[0]
        from edgekit.runtime.ensemble import Ensemble  # here, because most jobs need none

        return Ensemble(classifiers, weights=self.weights)

    def _open_classifier(self, model: JobModel) -> Classifier:
        model.content()  # checked; messages then name the file, which those about bytes cannot
        return Classifier(
            model.source,
            threads=1,
            limits=self.limits,
            exact=self.exact,
            provider=self.provider,
            trusted=self.trusted,
        )

    def predict_many(
        self, predictor: Predictor, images: Iterable[ImageSource | ImageError], *, workers: int | None
    ) -> Generator[Prediction | ImageError, None, None]:
        """Predict images as `Predictor.predict_many` does, with the options of the job.

        Args:
            predictor: from `open_predictor`.
            images: as for `Predictor.predict_many`.
            workers: as for `Predictor.predict_many`.

        Raises:
            SpecError: an option is not valid, or does not fit the models.
        """
        return predictor.predict_many(
            images,
            workers=workers,
            top=self.top,
            plan=self.plan,
            budget=self.budget,
            average=self.average,
            unknown_below=self.unknown_below,
        )

    def record(self, path: str, result: Prediction | ImageError, *, shard: str | None) -> dict[str, Any]:
        """The record of an image, as `edgekit predict --json` prints it.

        Args:
            path: name of the image.
            result: what was predicted, or why nothing was.
            shard: the input shard that has the image, which the record then states as "shard"; None for a file.
        """
        record = json_record(
            path,
            result,
            model=self.model_name,
            logits=self.logits,
            short_names=self.short_names,
            message_of=self.message_of,
        )
        return record if shard is None else record | {"shard": shard}


def _content(source: str | bytes) -> bytes:
    return source if isinstance(source, bytes) else read_model(source)
