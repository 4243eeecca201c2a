"""In which order candidates go on after a rung."""

from types import SimpleNamespace

import pytest

from edgekit.fit.candidate import Candidate
from edgekit.fit.front import Figures, FrontPoint
from edgekit.fit.rungs import by_result


@pytest.mark.parametrize(("tune", "first"), [("scratch", "large"), ("full", "small")])
def test_candidates_are_compared_where_the_final_training_will_leave_them(tune, first):
    """Of fine-tuning, the result itself is compared: it is not continued."""
    candidate = Candidate(network="resnet20", resolution=32, precision="float32", classes=10)
    priors, accuracies = {"small": 0.1, "large": 0.4}, {"small": 0.56, "large": 0.55}
    points = {
        name: FrontPoint(candidate=candidate, predicted=Figures(1.0, 1000, 1000), prior=prior)
        for name, prior in priors.items()
    }
    entries = {
        name: {
            "images_per_s": 100.0,
            "results": {"1": {"accuracy": accuracy, "loss": 1.0, "tune": tune, "epochs": 2, "images": 2000}},
        }
        for name, accuracy in accuracies.items()
    }
    state, images = SimpleNamespace(entries=entries), SimpleNamespace(edge=32)
    task = SimpleNamespace(points=points, state=state, images=images, seconds=900.0)
    assert by_result(task, entries)[0] == first
