"""A user's program, which test_typing.py type-checks and runs against the installed wheel."""

import sys
from typing import assert_type

import numpy as np
import numpy.typing as npt

from edgekit import Classifier, EdgekitError, Ensemble, ImageError, ImageLimits, Prediction, Score, load_image


def describe(prediction: Prediction) -> str:
    best: Score = prediction.top[0]
    assert_type(best.probability, float)
    assert_type(prediction.probabilities, npt.NDArray[np.float64])
    return ", ".join(f"{score.label} {score.probability:.0%}" for score in prediction.top)


def main(paths: list[str]) -> None:
    limits = ImageLimits(max_pixels=10_000_000)
    with Classifier(threads=1, limits=limits) as classifier:
        print(classifier.info.license, len(classifier.labels), describe(classifier.predict(paths[0], top=3)))
        for path, result in zip(paths, classifier.predict_many(paths, workers=2, on_error="yield"), strict=True):
            assert_type(result, Prediction | ImageError)
            print(path, "unreadable" if isinstance(result, ImageError) else result.label)
        with Ensemble([classifier, Classifier("mobilenet_v2-cifar10")], weights=[2, 1]) as ensemble:
            pixels = load_image(paths[0]).pixels
            for prediction in ensemble.predict_many([pixels], plan="flip", on_error="raise"):
                print(assert_type(prediction.label, str))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EdgekitError as error:
        sys.exit(f"{error} (exit status {error.exit_code})")
