"""Predict the images of a folder with Spark, into Parquet files with a row for each image.

spark-submit examples/bulk/spark_job.py IMAGES PREDICTIONS MODEL

Install Spark with: pip install pyspark pandas pyarrow (and Java 17 or later).
"""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

from edgekit.engines.spark import Predictor


def main() -> None:
    source, target, model = sys.argv[1:]
    # Encoded images are large rows: with Spark's default, a task would have 10,000 of them in memory.
    spark = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 64).getOrCreate()
    images = spark.read.format("binaryFile").load(source).select("path", "content")
    # The bytes of the model file: the machines of a cluster do not have its path.
    predict = Predictor(Path(model).read_bytes(), column="content", top=3)
    predictions = images.mapInArrow(predict, predict.schema(images.schema))
    predictions.drop("content").write.parquet(target)
    spark.stop()


if __name__ == "__main__":
    main()
