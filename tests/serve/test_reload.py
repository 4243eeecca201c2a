"""Model files that are replaced while a server runs."""

import asyncio
import logging
import os
import shutil
import time

import numpy as np
import pytest
from hypothesis import settings
from made_connections import Load, request_bytes, server_process, wait_until
from made_images import encoded, quadrants
from made_models import tiny_model, write_tiny
from onnx import numpy_helper

from edgekit import Classifier
from edgekit.image.decode_limits import DEFAULT_LIMITS
from edgekit.serve.models import ModelStore
from edgekit.serve.reload import WatchedModel, watch_models

IMAGE = encoded(quadrants(), "PNG")
INTERVAL_S = 0.01
IS_LONG = settings().max_examples > 100  # scripts/check.py --long

# `edgekit serve --workers 2 --reload-models`, with another interval
SERVE_WITH_QUICK_RELOADS = f"""
import sys
from edgekit.serve import ServeSettings
from edgekit.serve.logs import configure_logging
from edgekit.serve.server import ServerOptions, serve

def create(shared, worker):
    from edgekit.serve import create_app
    settings = ServeSettings(reload_models=True, reload_interval_s={2 * INTERVAL_S})
    return create_app(sys.argv[1], settings=settings, shared=shared, worker=worker)

configure_logging(as_json=True)
serve(create, options=ServerOptions(port=0, workers=2))
"""


def variant(path, number):
    """Write the tiny model with other weights; each number has its own."""
    model = tiny_model()
    (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == "weight"]
    values = np.random.default_rng(number).normal(0, 0.1, tuple(weight.dims)).astype(np.float32)
    weight.CopyFrom(numpy_helper.from_array(values, "weight"))
    return write_tiny(path, model)


class Watched:
    """A store whose only model is watched while a test runs steps in threads; outcomes: of each new file."""

    def __init__(self, path):
        self.path, self.outcomes = path, []
        self.store = ModelStore([path], limits=DEFAULT_LIMITS)
        self.first = self.store.get()

    def run(self, steps):
        async def both():
            watch = asyncio.create_task(watch_models(self.store, interval_s=INTERVAL_S, count=self.outcomes.append))
            try:
                await asyncio.to_thread(steps)
            finally:
                watch.cancel()

        asyncio.run(both())

    def probability(self):
        return self.store.get().classifier.predict(IMAGE).probability


@pytest.fixture
def watched(tmp_path):
    return Watched(variant(tmp_path / "model.onnx", 0))


def probability(path):
    return Classifier(path).predict(IMAGE).probability


def replace(new, path):
    """As edgekit writes files: complete under another name, then renamed."""
    shutil.copy(new, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def test_watch_loads_a_file_that_is_renamed_over_the_old_one(watched, tmp_path):
    new = variant(tmp_path / "new.onnx", 1)

    def steps():
        replace(new, watched.path)
        wait_until(lambda: watched.outcomes)

    watched.run(steps)
    assert watched.outcomes == [True]
    assert watched.store.get().sha256 != watched.first.sha256
    assert watched.probability() == probability(new) != watched.first.classifier.predict(IMAGE).probability


def test_watched_model_loads_a_file_that_is_written_in_place_when_it_is_complete(watched, tmp_path):
    content = variant(tmp_path / "new.onnx", 1).read_bytes()
    model = WatchedModel(watched.store, "model", watched.path)
    assert [model.check() for _ in range(3)] == [None] * 3
    with watched.path.open("wb") as file:
        for begin in range(0, len(content), 1000):
            file.write(content[begin : begin + 1000])
            file.flush()
            assert model.check() is None
    assert [model.check() for _ in range(3)] == [True, None, None]
    assert watched.probability() == probability(tmp_path / "new.onnx")


def test_watch_loads_the_target_of_a_link_that_is_replaced(tmp_path):
    """As Kubernetes updates files of a ConfigMap: model.onnx -> data/model.onnx, data -> a folder per version."""
    for number in range(2):
        (tmp_path / f"version-{number}").mkdir()
        variant(tmp_path / f"version-{number}/model.onnx", number)
    (tmp_path / "data").symlink_to("version-0")
    (tmp_path / "model.onnx").symlink_to("data/model.onnx")
    watched = Watched(tmp_path / "model.onnx")

    def steps():
        (tmp_path / "next").symlink_to("version-1")
        (tmp_path / "next").replace(tmp_path / "data")
        wait_until(lambda: watched.outcomes)

    watched.run(steps)
    assert watched.outcomes == [True]
    assert watched.probability() == probability(tmp_path / "version-1/model.onnx")


def test_watch_keeps_the_model_if_its_new_file_is_broken_and_loads_the_next(watched, tmp_path, caplog):
    caplog.set_level(logging.INFO, "edgekit.serve")
    new = variant(tmp_path / "new.onnx", 1)

    def steps():
        (tmp_path / "broken").write_bytes(b"not a model")
        replace(tmp_path / "broken", watched.path)
        wait_until(lambda: watched.outcomes)
        time.sleep(5 * INTERVAL_S)  # it is reported once, not at every look
        assert watched.store.get() is watched.first
        replace(new, watched.path)
        wait_until(lambda: len(watched.outcomes) == 2)

    watched.run(steps)
    assert watched.outcomes == [False, True]
    refused, loaded = (record for record in caplog.records if record.name == "edgekit.serve")
    assert refused.getMessage().startswith(f"{watched.path}: ")
    assert refused.getMessage().endswith("; the model that was loaded before stays")
    assert refused.fields["model"] == "model"
    assert loaded.fields == {"model": "model", "sha256": watched.store.get().sha256}


def test_watch_keeps_the_model_if_its_file_is_deleted(watched, tmp_path):
    content = watched.path.read_bytes()

    def steps():
        watched.path.unlink()
        wait_until(lambda: watched.outcomes)
        watched.path.write_bytes(content)
        time.sleep(10 * INTERVAL_S)

    watched.run(steps)
    assert watched.outcomes == [False]  # the same content is not loaded again
    assert watched.store.get() is watched.first


def test_watch_does_not_load_the_same_content_again(watched):
    def steps():
        time.sleep(5 * INTERVAL_S)
        os.utime(watched.path)
        replace(watched.path, watched.path.with_suffix(".copy"))
        watched.path.with_suffix(".copy").replace(watched.path)
        time.sleep(10 * INTERVAL_S)

    watched.run(steps)
    assert watched.outcomes == []
    assert watched.store.get() is watched.first


def test_watch_loads_a_file_that_was_replaced_before_it_began(tmp_path):
    watched = Watched(variant(tmp_path / "model.onnx", 0))
    variant(watched.path, 1)
    watched.run(lambda: wait_until(lambda: watched.outcomes))
    assert watched.outcomes == [True]


def test_watch_goes_on_after_a_fault_of_its_own(watched, tmp_path, monkeypatch, caplog):
    new = variant(tmp_path / "new.onnx", 1)
    monkeypatch.setattr(watched.store, "open", lambda name, source: 1 / 0)

    def steps():
        replace(new, watched.path)
        wait_until(lambda: watched.outcomes)
        monkeypatch.undo()
        variant(watched.path, 2)
        wait_until(lambda: len(watched.outcomes) == 2)

    watched.run(steps)
    assert watched.outcomes == [False, True]
    assert "ZeroDivisionError" in caplog.text


def test_serve_reloads_under_load_without_a_failed_request(tmp_path):
    """Two processes, each of which predicts with one of the two versions at any time; 100 replacements with --long."""
    versions = [variant(tmp_path / f"{number}.onnx", number) for number in range(2)]
    path = tmp_path / "model.onnx"
    replace(versions[0], path)
    request = request_bytes("/predict?top=1", IMAGE)
    with (
        server_process(path, program=("-c", SERVE_WITH_QUICK_RELOADS)) as server,
        Load(server.address, request, keep_alive=True, clients=3) as load,
    ):
        wait_until(lambda: len(load.statuses) > 20)
        replacements = 100 if IS_LONG else 5
        for number in range(replacements):
            replace(versions[(number + 1) % 2], path)
            wait_until(lambda: len(server.events("model_reloaded")) >= 2 * (number + 1))  # noqa: B023
        (path.parent / "broken").write_bytes(b"not a model")
        replace(path.parent / "broken", path)
        wait_until(lambda: len(server.events("reload_refused")) == 2)
        served = len(load.statuses)
        wait_until(lambda: len(load.statuses) > served + 20)
        load.stop()
        assert load.lost == []
        assert set(load.statuses) == {200}
        assert len(load.bodies) == 2  # one for each version, and nothing else
        assert server.end() == 0
