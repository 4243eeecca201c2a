from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_serve import form

from edgekit.serve.form import FormFile, form_files
from edgekit.serve.request_errors import BodyTooLarge, RequestError

TYPE = "multipart/form-data; boundary=edge"
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"'


def part(headers: bytes, content: bytes = b"x") -> bytes:
    return b"--edge\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def name_of(headers: bytes) -> str:
    ((name, _),) = form_files(part(headers) + b"--edge--", TYPE, most=1)
    return name


def test_files_come_in_order_with_their_names():
    body, headers = form(("first.jpg", b"one"), ("second.png", b""), ("first.jpg", b"\r\n--edg\r\n"))
    files = form_files(body, headers["Content-Type"], most=3)
    assert files == [
        FormFile("first.jpg", b"one"),
        FormFile("second.png", b""),
        FormFile("first.jpg", b"\r\n--edg\r\n"),
    ]


@given(st.binary(max_size=300))
def test_any_body_is_parsed_or_refused(body):
    for whole in (body, b"--edge\r\n" + body, part(HEAD, body)):
        with suppress(RequestError):
            assert all(isinstance(content, bytes) for _, content in form_files(whole, TYPE, most=3))


def test_what_follows_the_last_boundary_is_left_out():
    assert form_files(part(HEAD) + b"--edge--\r\nthe end", TYPE, most=1) == [FormFile("a.png", b"x")]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=edge", "edge"),
        ('multipart/form-data; charset=utf-8; Boundary="with space"', "with space"),
        ("multipart/form-data;boundary=----WebKitFormBoundaryAb1 ; x=y", "----WebKitFormBoundaryAb1"),
    ],
)
def test_boundary_is_read_from_content_type(content_type, boundary):
    body, _ = form(("a.png", b"1"), boundary=boundary)
    assert form_files(body, content_type, most=1) == [FormFile("a.png", b"1")]


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 500])
def test_content_type_without_boundary_is_refused(content_type):
    with pytest.raises(RequestError, match=r"(?i)boundary"):
        form_files(b"", content_type, most=1)


def test_names_are_decoded_as_browsers_and_libraries_write_them():
    assert name_of(b'Content-Disposition: form-data; name="f"; filename="say %22hi%22.png"') == 'say "hi".png'
    assert name_of(b'content-disposition: Form-Data; name="f"; filename="back\\"slash.png"') == 'back"slash.png'
    assert name_of('Content-Disposition: form-data; filename="kö.png"; name=f'.encode()) == "kö.png"
    assert name_of(b"Content-Type: image/png\r\nContent-Disposition: form-data; name=f; filename=p.png") == "p.png"
    assert name_of(b'Content-Disposition: form-data; name="field"; filename=""') == "field"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ends before its last boundary"),
        (b"--edge\r\n", "ends before its last boundary"),
        (part(HEAD), "ends before its last boundary"),
        (b"--edge junk\r\n" + HEAD + b"\r\n\r\nx\r\n--edge--", "is malformed: 'Did not find"),
        (part(b"X: y" * 5000) + b"--edge--", "is malformed: 'Maximum header size"),
        (part(b"Content-Type: image/png") + b"--edge--", "without `Content-Disposition: form-data`"),
        (
            part(b'Content-Disposition: form-data; name="top"') + b"--edge--",
            "field 'top' is not a file; options belong",
        ),
        (b"--edge--\r\n", "the form has no file"),
    ],
)
def test_malformed_form_is_refused(body, message):
    with pytest.raises(RequestError, match=message) as refused:
        form_files(body, TYPE, most=9)
    assert refused.value.status == 400


def test_more_files_than_allowed_are_refused():
    body, headers = form(*[("a.png", b"x")] * 3)
    with pytest.raises(BodyTooLarge, match="limit of 2 files"):
        form_files(body, headers["Content-Type"], most=2)
