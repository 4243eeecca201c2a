"""Predict the images of a folder with Daft, into Parquet files with a row for each image.

python examples/bulk/daft_udf.py IMAGES PREDICTIONS MODEL

Install Daft with: pip install daft
"""

import sys
from pathlib import Path

import daft

from edgekit.engines.daft import Predictor


def main() -> None:
    source, target, model = sys.argv[1:]
    images = daft.from_glob_path(f"{source}/**")
    # The bytes of the model file: the machines of a cluster do not have its path.
    predict = Predictor(Path(model).read_bytes(), top=3)
    predictions = images.select("path", predict(images["path"].download()).unnest())
    predictions.write_parquet(target)


if __name__ == "__main__":
    main()
