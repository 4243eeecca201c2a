"""Predict the images of a folder with Ray Data, into Parquet files with a row for each image.

python examples/bulk/ray_data.py IMAGES PREDICTIONS MODEL

Install Ray with: pip install 'ray[data]'
"""

import sys
from pathlib import Path

import ray

from edgekit.engines.ray import Predictor, actor_pool


def main() -> None:
    source, target, model = sys.argv[1:]
    images = ray.data.read_binary_files(source, include_paths=True)
    # The bytes of the model file: the machines of a cluster do not have its path.
    arguments = {"model": Path(model).read_bytes(), "column": "bytes", "top": 3}
    predictions = images.map_batches(Predictor, fn_constructor_kwargs=arguments, **actor_pool())
    predictions.drop_columns(["bytes"]).write_parquet(target)


if __name__ == "__main__":
    main()
