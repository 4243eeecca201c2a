import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_images import encoded
from made_models import write_tiny
from made_serve import call, call_async, form, serving
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount

from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.classifier import Classifier
from edgekit.serve import ServeSettings, create_app


def noise_png(seed: int) -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)), "PNG")


IMAGE = noise_png(1)


@pytest.fixture
def app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=2, queue=2, deadline_s=5))
    yield app
    app.state.services.close()


@pytest.fixture
def slow(monkeypatch):
    """Predictions take as long as the test wants: until the event is set."""
    go_on = threading.Event()
    predict = Classifier.predict

    def wait(self, image, **arguments):
        assert go_on.wait(20)
        return predict(self, image, **arguments)

    monkeypatch.setattr(Classifier, "predict", wait)
    yield go_on
    go_on.set()


def wait_until(is_true):
    limit = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < limit, "nothing happened in 10 s"
        time.sleep(0.005)


def test_import_of_edgekit_needs_no_web_framework():
    program = "import sys, edgekit, edgekit.cli.app; print('starlette' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


def test_app_needs_neither_torch_nor_onnx_nor_typer():
    program = "import sys, edgekit.serve.app; print({'torch', 'onnx', 'typer', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"set()\n"


WITHOUT_STARLETTE = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "starlette":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from edgekit.cli.main import main
sys.argv = ["edgekit", "serve"]
main()
"""


def test_missing_extra_is_named_in_one_line():
    done = subprocess.run([sys.executable, "-c", WITHOUT_STARLETTE], capture_output=True, text=True, check=False)
    assert done.stderr == "error: starlette is not installed; run: pip install 'edgekit-onnx[serve]'\n"
    assert done.returncode == 1


def test_nothing_is_opened_before_the_first_request(tmp_path):
    (tmp_path / "later.onnx").write_bytes(b"no model yet")
    app = create_app(tmp_path / "later.onnx", settings=ServeSettings(threads=1))
    write_tiny(tmp_path / "later.onnx")
    assert not app.state.services.is_started
    assert call(app, "POST", "/predict", body=IMAGE).status == 200
    app.state.services.close()


def test_unknown_paths_and_methods_are_refused_in_json(app):
    reply = call(app, "GET", "/predict/")
    assert (reply.status, reply.error) == (404, "no such path: /predict/")
    reply = call(app, "DELETE", "/predict")
    assert (reply.status, reply.error) == (405, "/predict does not allow DELETE; use POST")
    assert reply.headers["allow"] == "POST"
    assert call(app, "HEAD", "/models").status == 200


def test_fault_of_the_server_is_logged_and_ends_nothing(app, monkeypatch, caplog):
    monkeypatch.setattr(Classifier, "predict", lambda *arguments, **others: 1 / 0)
    with caplog.at_level(logging.ERROR, "edgekit.serve"):
        reply = call(app, "POST", "/predict", body=IMAGE)
    assert (reply.status, reply.error) == (500, "internal error; the server's log has the reason")
    assert "POST /predict failed: ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text
    monkeypatch.undo()
    assert call(app, "POST", "/predict", body=IMAGE).status == 200
    assert 'edgekit_failures_total{kind="internal"} 1' in call(app, "GET", "/metrics").body.decode()


def test_app_is_not_created_for_wrong_arguments(tiny_artifact, tmp_path):
    with pytest.raises(ArtifactError, match=r"absent\.onnx: no such file"):
        create_app(tmp_path / "absent.onnx")
    with pytest.raises(SpecError, match=r"`worker` must be the number of a row, 0 to 0 \(got 1\)"):
        create_app(tiny_artifact, worker=1)
    with pytest.raises(SpecError, match="`settings` must be a ServeSettings"):
        create_app(tiny_artifact, settings=tiny_artifact)


def test_model_that_cannot_be_opened_fails_the_start(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    app = create_app(tmp_path / "broken.onnx")

    async def start():
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(ArtifactError, match=r"broken\.onnx: "):
        asyncio.run(start())
    assert call(app, "GET", "/models").status == 500  # mounted: there is no start


def test_app_is_mounted_in_another_one(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1))
    site = Starlette(routes=[Mount("/classifier", app)])
    with serving(site) as client:
        assert client.ask("POST", "/classifier/predict", IMAGE).status == 200
        assert client.ask("GET", "/classifier/models").json["default"] == "tiny"
        assert client.ask("GET", "/classifier/x").error == "no such path: /classifier/x"
    app.state.services.close()


def test_queue_refuses_with_retry_after_and_recovers(app, slow):
    async def crowd():
        waiting = [asyncio.create_task(call_async(app, "POST", "/predict", body=IMAGE)) for _ in range(4)]
        services = app.state.services
        while not services.is_started or services.pool.running < 2 or services.pool.waiting < 2:
            await asyncio.sleep(0.005)
        refused = await call_async(app, "POST", "/predict", body=IMAGE)
        metrics = (await call_async(app, "GET", "/metrics")).body.decode()
        slow.set()
        return refused, metrics, await asyncio.gather(*waiting)

    refused, metrics, replies = asyncio.run(crowd())
    assert refused.status == 503
    assert refused.error == "the server is busy: 2 requests are waiting; try again later"
    assert int(refused.headers["retry-after"]) >= 1
    assert "edgekit_requests_waiting 2\n" in metrics
    assert "edgekit_images_in_progress 2\n" in metrics
    assert [reply.status for reply in replies] == [200] * 4
    assert app.state.services.memory.held == 0


def test_deadline_gives_up_the_request(tiny_artifact, slow):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, deadline_s=0.2))
    body, headers = form(*[("a.png", IMAGE)] * 3)
    reply = call(app, "POST", "/predict", body=body, headers=headers)
    assert reply.status == 504
    assert reply.error == "the request took longer than 0.2 s (3 of 3 images left)"
    assert app.state.services.pool.waiting == 0
    app.state.services.close()


def test_work_for_a_client_that_left_is_dropped(app, slow):
    body, headers = form(*[("a.png", IMAGE)] * 20)
    reply = call(app, "POST", "/predict", body=body, headers=headers, stays_s=0.1)
    assert reply.status == 0
    assert app.state.services.pool.waiting == 0
    slow.set()
    wait_until(lambda: app.state.services.pool.running == 0)
    metrics = call(app, "GET", "/metrics").body.decode()
    assert 'edgekit_requests_total{route="/predict",status="499"} 1' in metrics
    assert 'edgekit_failures_total{kind="disconnected"} 1' in metrics


def test_client_that_left_while_waiting_frees_its_place(app, slow):
    with serving(app) as client, ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(client.another().ask, "POST", "/predict", IMAGE) for _ in range(2)]
        wait_until(lambda: app.state.services.pool.running == 2)
        leaver = client.another()
        leaver.connection.request("POST", "/predict", IMAGE)
        wait_until(lambda: app.state.services.pool.waiting == 1)
        leaver.connection.close()
        wait_until(lambda: app.state.services.pool.waiting == 0)
        slow.set()
        assert [future.result().status for future in busy] == [200, 200]


def test_every_response_over_a_socket_is_that_of_the_classifier(tiny_artifact):
    images = [noise_png(seed) for seed in range(12)]
    with Classifier(tiny_artifact, threads=1) as classifier:
        expected = [classifier.predict(image).to_dict()["top"] for image in images]
    app = create_app(tiny_artifact, settings=ServeSettings(threads=2, queue=100))
    with serving(app) as client:

        def ask_all(_):
            own = client.another()
            return [own.ask("POST", "/predict", image).json["top"] for image in images]

        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(ask_all, range(6))) == [expected] * 6
        metrics = client.ask("GET", "/metrics").body.decode()
    assert 'edgekit_requests_total{route="/predict",status="200"} 72\n' in metrics
    assert "edgekit_images_in_progress 0\n" in metrics


def test_slow_clients_do_not_stop_a_fast_one(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, queue=1))
    with serving(app) as client:
        slow_ones = [client.another() for _ in range(50)]
        for one in slow_ones:
            one.connection.putrequest("POST", "/predict")
            one.connection.putheader("Content-Length", "1000")
            one.connection.endheaders(b"half of")
        assert client.ask("POST", "/predict", IMAGE).status == 200


def test_keys_and_hosts_are_checked_inside_the_app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(api_keys=("a" * 20,), hosts=(), threads=1))
    reply = call(app, "GET", "/models")
    assert reply.status == 401
    assert "API key" in reply.error
    assert call(app, "GET", "/models", headers={"X-API-Key": "a" * 20}).status == 200
    assert call(app, "GET", "/v2/health/live").status == 200
    assert call(app, "GET", "/").status == 200
    assert call(app, "GET", "/metrics", headers={"Host": "evil.example"}).status == 421
    app.state.services.close()


def test_page_can_be_left_out(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(page=False, threads=1))
    assert call(app, "GET", "/").status == 404
    app.state.services.close()


def test_replaced_model_is_loaded_in_a_mounted_app_too(tmp_path):
    path = write_tiny(tmp_path / "tiny.onnx")
    app = create_app(path, settings=ServeSettings(threads=1, reload_models=True, reload_interval_s=0.02))
    with serving(Starlette(routes=[Mount("/x", app)])) as client:
        before = client.ask("POST", "/x/predict", IMAGE).json
        write_tiny(path, temperature=3.0)
        wait_until(lambda: client.ask("GET", "/x/models/tiny").json.get("temperature") == 3.0)
        after = client.ask("POST", "/x/predict", IMAGE).json
        assert 'outcome="loaded"} 1' in client.ask("GET", "/x/metrics").body.decode()
    app.state.services.close()
    assert before["top"][0]["label"] == after["top"][0]["label"]
    assert before["top"][0]["probability"] > after["top"][0]["probability"]


@pytest.mark.slow
def test_memory_is_constant_under_load(tiny_artifact):
    """After a warm-up, further requests keep nothing: neither images nor results, errors or connections."""
    app = create_app(tiny_artifact, settings=ServeSettings(threads=2))
    body, headers = form(*[("a.png", IMAGE)] * 4)
    document = json.dumps({"images": ["x"]}).encode()

    def rounds(client, count):
        for _ in range(count):
            client.ask("POST", "/predict", IMAGE)
            client.ask("POST", "/predict", body, headers)
            client.ask("POST", "/predict", b"no image")
            client.ask("POST", "/predict?top=0", b"")
            client.ask("POST", "/predict", document, {"Content-Type": "application/json"})

    def resident():
        text = client.ask("GET", "/metrics").body.decode()
        return float(text.partition("\nprocess_resident_memory_bytes ")[2].partition("\n")[0])

    with serving(app) as client:
        rounds(client, 80)
        before = resident()
        rounds(client, 120)
        assert resident() - before < 3e6
