"""Malicious images over HTTP: each is predicted or refused with the line that the command prints, never with a 5xx."""

import itertools
import json
import subprocess
import sys
from collections import Counter

import made_images
import pytest
from made_serve import call

from edgekit import Classifier, ImageError
from edgekit.image.decode_limits import ImageLimits
from edgekit.serve import ServeSettings, create_app

MAX_BYTES = 2**27  # more than any of the images has: each is refused for its own reason

pytestmark = pytest.mark.filterwarnings("ignore")  # of Pillow, which commands and servers ignore as well


@pytest.fixture
def app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, max_body_bytes=MAX_BYTES))
    yield app
    app.state.services.close()


@pytest.mark.slow
def test_images_that_the_library_refuses_get_422_with_its_message(app, tiny_artifact):
    classifier = Classifier(tiny_artifact, threads=1, limits=ImageLimits(max_bytes=MAX_BYTES))
    statuses: Counter[int] = Counter()
    for name, data in itertools.chain(made_images.broken_images(), made_images.refused_images()):
        reply = call(app, "POST", "/predict", body=data)
        statuses[reply.status] += 1
        if not data:
            assert (reply.status, reply.error) == (400, "the body is empty")
            continue
        try:
            expected = (200, classifier.predict(data).to_dict()["top"])
        except ImageError as error:
            expected = (422, str(error))
        assert (reply.status, reply.json["top"] if reply.status == 200 else reply.error) == expected, name
    assert statuses[422] > 300
    assert set(statuses) == {200, 400, 422}


def test_the_message_is_that_of_the_command(app, tiny_artifact, tmp_path):
    files = {name: data for name, data in made_images.refused_images() if 0 < len(data) < 10_000}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-m", "edgekit", "predict", "--json", "--model", tiny_artifact, *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(files) > 10
    for line in lines:
        reply = call(app, "POST", "/predict", body=files[line["path"]])
        printed = line["error"]["message"].removeprefix(f"{line['path']}: ").replace("--max-pixels", "`max_pixels`")
        assert reply.error.partition(": ")[2] == printed
