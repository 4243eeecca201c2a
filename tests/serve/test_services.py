import asyncio
import threading
import warnings

import pytest

from edgekit.errors import ArtifactError
from edgekit.serve import ServeSettings
from edgekit.serve.metrics import Metrics
from edgekit.serve.services import Services


def make(*models, **settings):
    return Services(models, settings=ServeSettings(**settings), metrics=Metrics(routes=[], models=[]))


def test_services_start_once_from_any_thread(tiny_artifact):
    services = make(tiny_artifact, threads=3)
    with pytest.raises(RuntimeError, match="were not started"):
        _ = services.pool
    starts = [threading.Thread(target=services.start) for _ in range(4)]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    pool, model = services.pool, services.models.get("tiny")
    assert pool.threads == 3
    services.start()
    assert services.pool is pool
    assert services.models.get("tiny") is model
    services.close()
    assert not services.is_started


def test_limits_of_images_are_those_of_the_settings(tiny_artifact):
    services = make(tiny_artifact, threads=1, max_body_bytes=777, max_pixels=99)
    services.start()
    assert services.models.get().classifier.limits == (777, 99)
    services.close()


def test_threads_are_the_available_ones_by_default(tiny_artifact, monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "5")
    services = make(tiny_artifact)
    services.start()
    assert services.pool.threads == 5
    services.close()


def test_services_can_start_again_after_a_failure(tmp_path, tiny_artifact):
    (tmp_path / "later.onnx").touch()
    services = make(tmp_path / "later.onnx", threads=1)
    with pytest.raises(ArtifactError):
        services.start()
    (tmp_path / "later.onnx").write_bytes(tiny_artifact.read_bytes())
    services.start()
    services.close()


def test_models_are_watched_only_if_the_settings_say_so(tiny_artifact):
    async def watched(**settings):
        services = make(tiny_artifact, threads=1, **settings)
        await services.start_in_loop()
        await services.start_in_loop()
        tasks = len(asyncio.all_tasks()) - 1
        services.close()
        return tasks

    assert asyncio.run(watched()) == 0
    assert asyncio.run(watched(reload_models=True)) == 1


def test_warnings_of_pillow_are_not_kept(tiny_artifact):
    services = make(tiny_artifact, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        services.start()
        registry = {}
        warnings.warn_explicit(
            "hostile", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin", registry=registry
        )
        assert registry.keys() <= {"version"}
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn_explicit("ours", UserWarning, "app.py", 1, module="edgekit.serve.app")
    services.close()
