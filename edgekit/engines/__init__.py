"""Bulk prediction on the engine that a cluster has: Ray, Daft or Spark.

Each module has a `Predictor` for the images in rows of the engine's own tables; those of Ray and Daft also have an
engine for `edgekit.bulk.run_job`, which `edgekit predict --engine` runs. The packages of the engines are in no extra.
"""
