import asyncio
import base64
import json

import pytest
from made_serve import form

from edgekit.serve import ServeSettings
from edgekit.serve.image_bodies import images_of, json_entry
from edgekit.serve.metrics import Metrics
from edgekit.serve.request_errors import BodyTooLarge, RequestError
from edgekit.serve.services import Services

JSON = "application/json"
ONE = base64.b64encode(b"one").decode()


def images(body, content_type="", **settings):
    services = Services([], settings=ServeSettings(**settings), metrics=Metrics(routes=[], models=[]))
    with services.memory.share() as share:
        found, is_list = asyncio.run(images_of(body, content_type, services, share))
    contents = [i.source if isinstance(i.source, bytes) else i.source.getvalue() for i in found]
    return [i.name for i in found], contents, is_list


@pytest.mark.parametrize(
    "content_type", ["", "image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded", "text/html"]
)
def test_any_other_content_type_is_one_image(content_type):
    assert images(b"{}", content_type) == (["-"], [b"{}"], False)


def test_form_is_one_image_or_a_list():
    body, headers = form(("a.png", b"1"))
    assert images(body, headers["Content-Type"]) == (["a.png"], [b"1"], False)
    body, headers = form(("a.png", b"1"), ("b.png", b"2"))
    assert images(body, headers["Content-Type"].upper().replace("EDGE", "edge")) == (
        ["a.png", "b.png"],
        [b"1", b"2"],
        True,
    )


def test_json_is_one_image_or_a_list_even_of_one():
    assert images(json.dumps({"image": ONE}).encode(), JSON) == (["-"], [b"one"], False)
    assert images(json.dumps({"images": [ONE]}).encode(), "Application/JSON; charset=utf-8") == (
        ["images[0]"],
        [b"one"],
        True,
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[", "the body is not JSON: Expecting value"),
        ("\ufffe", "the body is not JSON"),
        ("[" * 900, "the body is not JSON"),
        ('{"image": 1' + "0" * 5000 + "}", "the body is not JSON: Exceeds the limit"),
        ("NaN", r"must be an object with image, images or url \(got nan\)"),
        ("{}", r"must have one of image, images and url \(got none\)"),
        ('{"image": "", "url": ""}', r"must have one of image, images and url \(got image, url\)"),
        ('{"image_": ""}', "unknown key 'image_'; did you mean image or images"),
        ('{"image": null}', r"`image` must be the bytes of an image in base64, without line breaks \(got None\)"),
        ('{"image": "b25l\\n"}', "`image` must be the bytes of an image in base64"),
        ('{"image": "b25"}', "`image` must be the bytes of an image in base64"),
        ('{"image": "b\\u00e4"}', "`image` must be the bytes of an image in base64"),
        ('{"images": []}', r"`images` must be a list of at least one image in base64 \(got \[\]\)"),
        ('{"images": "b25l"}', "`images` must be a list"),
        ('{"images": ["b25l", "data:image/png;base64,b25l"]}', r"`images\[1\]` must be the bytes"),
    ],
)
def test_malformed_json_is_refused(document, message):
    with pytest.raises(RequestError, match=message) as refused:
        images(document.encode(), JSON)
    assert refused.value.status == 400
    assert len(str(refused.value)) < 500


def test_more_images_than_allowed_are_refused():
    body = json.dumps({"images": [ONE] * 3}).encode()
    assert len(images(body, JSON, max_images=3)[0]) == 3
    with pytest.raises(BodyTooLarge, match="`images` has more than the limit of 2 images"):
        images(body, JSON, max_images=2)
    body, headers = form(*[("a.png", b"1")] * 3)
    with pytest.raises(BodyTooLarge, match="limit of 2 files"):
        images(body, headers["Content-Type"], max_images=2)


@pytest.mark.parametrize("document", ["[" * 2000, "[" + "0," * 2000 + "0]", "[" + "{}," * 2000 + "{}]"])
def test_json_of_many_values_is_refused_before_it_takes_memory(document, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda body: pytest.fail("was parsed"))
    with pytest.raises(BodyTooLarge, match="more values than a request of 64 images"):
        json_entry(document.encode(), most=64)


def test_url_is_refused_unless_allowed():
    with pytest.raises(RequestError, match="fetches no images from URLs; send the image itself"):
        images(b'{"url": "http://127.0.0.1/"}', JSON)
    with pytest.raises(RequestError, match=r"`url` must be an http or https address \(got 5\)"):
        images(b'{"url": 5}', JSON, allow_urls=True)
