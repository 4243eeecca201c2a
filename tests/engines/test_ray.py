"""Ray's own package in an environment of its own: the example, pipelines that could starve, `predict --engine ray`."""

import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_engines import found_by, predicted_rows, rows_by_name
from made_environments import ROOT
from made_jobs import make_job, run_here

from edgekit import Classifier, EdgekitError, SpecError
from edgekit.engines.ray import PoolSize, RayEngine, actor_pool, pool_size

PROGRAM = """
import json, runpy, sys
import numpy as np
import ray
from PIL import Image

from edgekit.cli.main import main
from edgekit.engines.ray import Predictor, actor_pool

example, photos, model = sys.argv[1:]
ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)

sys.argv = [example, photos, "rows", model]
runpy.run_path(example, run_name="__main__")

# Sixteen tasks between the rows and the actors, on two CPUs: no row came in 240 s with two actors of one CPU each.
size = actor_pool()
rows = [{"number": number, "pixels": np.full((9, 11, 3), 20 * number, np.uint8)} for number in range(12)]
arguments = {"model": model, "column": "pixels", "prefix": "predicted_"}
dataset = ray.data.from_items(rows).repartition(16).map_batches(Predictor, fn_constructor_kwargs=arguments, **size)
labels = {row["number"]: row["predicted_label"] for row in dataset.take_all()}

sys.argv = ["edgekit", "predict", "photos", "--model", model, "-o", "out.parquet", "--shard-size", "15"]
sys.argv += ["--engine", "ray"]
try:
    main()
except SystemExit as end:
    status = end.code
print(json.dumps({"cpus": size["num_cpus"], "most": size["compute"].max_size, "labels": labels, "status": status}))
"""


@pytest.fixture(scope="module")
def ran(engine_python, photos, tiny_artifact, tmp_path_factory):
    """The folder of a program that runs all that needs Ray, which takes long to start, and its results."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "photos").symlink_to(photos)
    example = ROOT / "examples" / "bulk" / "ray_data.py"
    return folder, found_by(engine_python, PROGRAM, example, photos, tiny_artifact, cwd=folder)


@pytest.mark.slow
def test_example_writes_a_row_for_each_image(ran, photos, tiny_artifact):
    folder, _ = ran
    assert rows_by_name(folder / "rows") == predicted_rows(tiny_artifact, photos)


@pytest.mark.slow
def test_predictor_does_not_starve_a_repartition_before_it(ran, tiny_artifact):
    import numpy as np

    _, found = ran
    assert (found["cpus"], found["most"]) == (0.5, 2)
    with Classifier(tiny_artifact) as classifier:
        images = {str(number): np.full((9, 11, 3), 20 * number, np.uint8) for number in range(12)}
        assert found["labels"] == {number: classifier.predict(image).label for number, image in images.items()}


@pytest.mark.slow
def test_engine_writes_the_parts_that_the_local_engine_writes(ran, tiny_artifact, tmp_path, monkeypatch):
    folder, found = ran
    assert found["status"] == 3  # one image is broken
    monkeypatch.chdir(folder)
    job = make_job(tiny_artifact, "photos", output=tmp_path / "out.parquet")
    run_here(job, shard_size=15)
    parts = sorted(path.name for path in (tmp_path / "out.parquet").glob("part-*"))
    assert parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    for part in parts:
        assert rows_by_name(folder / "out.parquet" / part) == rows_by_name(tmp_path / "out.parquet" / part)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.data())
def test_actors_leave_a_whole_cpu_wherever_they_are_placed(node_cpus, data):
    if not any(node_cpus):
        return
    size = pool_size(node_cpus)
    cpus = Fraction(size.cpus).limit_denominator(10_000)
    free = [Fraction(node) for node in node_cpus]
    for _ in range(size.actors):
        places = [node for node, left in enumerate(free) if left >= cpus and node_cpus[node] >= 1]
        if not places:
            break
        free[data.draw(st.sampled_from(places))] -= cpus
    assert max(free) >= 1


@pytest.mark.parametrize(
    ("node_cpus", "actors", "expected"),
    [
        ((2,), None, PoolSize(2, 0.5)),
        ((1,), None, PoolSize(1, 0)),
        ((0, 16), None, PoolSize(16, 0.9375)),
        ((2, 2), None, PoolSize(4, 0.5)),
        ((3,), None, PoolSize(3, 0.6666)),
        ((8,), 2, PoolSize(2, 1)),
    ],
)
def test_pool_has_an_actor_for_each_core(node_cpus, actors, expected):
    assert pool_size(node_cpus, actors=actors) == expected


@pytest.mark.parametrize("actors", [0, -1, 1.5, True, "2"])
def test_number_of_actors_is_checked(actors):
    with pytest.raises(SpecError, match=r"^`actors` must be an integer from 1 \(got "):
        pool_size([2], actors=actors)


def test_cluster_without_cpus_is_an_error():
    with pytest.raises(SpecError, match=r"^no node of the cluster has a CPU$"):
        pool_size([0, 0.5])


def test_missing_package_is_named_with_the_command(monkeypatch, tiny_artifact, photos, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    job = make_job(tiny_artifact, photos, output=tmp_path / "out.jsonl")
    for call in (actor_pool, lambda: list(RayEngine()(job, [], lambda size, failed: None))):
        with pytest.raises(EdgekitError, match=r"^ray is not installed; run: pip install 'ray\[data\]'$"):
            call()
