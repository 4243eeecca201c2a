"""Bulk prediction on Spark: a function for `DataFrame.mapInArrow` and `DataFrame.mapInPandas`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from edgekit.engines.packages import import_engine
from edgekit.engines.tables import Batch, TablePredictor

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


class Predictor(TablePredictor):
    """Predicts the images in a column of a data frame, as the function of `DataFrame.mapInArrow` or `mapInPandas`.

    Adds the columns `label`, `probability`, `top` (list of {label, index, probability}), of multi-label models also
    `labels`, and `error`: why the image could not be predicted, whose other columns are null then; null otherwise.
    An image never fails a job. Each task opens the model once, for its partition, and predicts with one thread; rows
    stay in their partition and their order. Spark runs the partitions of a lost executor again, and keeps one result of
    each: no row appears twice in what one action returns or writes.

    Args:
        model: as for `Classifier`, which is opened with one thread. A path must exist on every machine: pass the bytes
            of the file otherwise.
        column: the column that has the images: paths, URIs of object stores, encoded bytes, arrays of integers, or
            structs that have "bytes" or "path", or are of Spark's data source `image`.
        prefix: what the names of the added columns begin with.
        top: as for `Classifier.predict`, and so are plan, budget, average and unknown_below.
        plan: as above.
        budget: as above.
        average: as above.
        unknown_below: as above.
        channels: channel order of decoded arrays, "RGB" or "BGR"; Spark's image structs have their own.

    Raises:
        ArtifactError: the model is not found, is not an edgekit artifact, or is refused.
        SpecError: an argument is not valid.

    Example:
        >>> from pyspark.sql import SparkSession
        >>> from edgekit.engines.spark import Predictor
        >>> spark = SparkSession.builder.getOrCreate()
        >>> images = spark.read.format("binaryFile").load("photos/*.jpg").select("path", "content")
        >>> predict = Predictor("model.onnx", column="content")
        >>> predictions = images.mapInArrow(predict, predict.schema(images.schema))
        >>> predictions.select("path", "label", "error").write.parquet("predictions")
    """

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Add the predictions to the batches of a partition.

        Args:
            batches: Arrow record batches or pandas frames.
        """
        yield from map(self.extended, batches)

    def schema(self, schema: StructType) -> StructType:
        """The schema of the data frame with the predictions.

        Args:
            schema: of the data frame.

        Raises:
            EdgekitError: Spark is not installed.
            SpecError: it lacks the column with the images, or has one of those that are added.
        """
        types = import_engine("pyspark.sql.types", requirement="pyspark")
        from_arrow = import_engine("pyspark.sql.pandas.types", requirement="pyspark").from_arrow_type
        added = self.added_types(schema.names)
        fields = [types.StructField(name, from_arrow(kind)) for name, kind in added.items()]
        return types.StructType([*schema.fields, *fields])
