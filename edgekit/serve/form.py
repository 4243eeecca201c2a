"""The files of a form: multipart/form-data (RFC 7578), of a body that is in memory."""

from __future__ import annotations

from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from edgekit.errors import quote
from edgekit.serve.request_errors import BodyTooLarge, RequestError

_BROWSERS_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}  # in names of files: WHATWG HTML, "multipart/form-data"


class FormFile(NamedTuple):
    """A file of a form: its name, and its content."""

    name: str
    content: bytes


def form_files(body: bytes, content_type: str, *, most: int) -> list[FormFile]:
    """The files of a form, in order.

    Args:
        body: of the request.
        content_type: its header, which has the boundary between the parts.
        most: number of files allowed.

    Raises:
        BodyTooLarge: there are more.
        RequestError: the form is malformed, has no file, or has a field that is not a file.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise RequestError(f"the content type has no boundary (got {quote(content_type)})")
    form = _Form(most)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]  # a dictionary of functions
        parser.write(body)
    except FormParserError as error:
        raise RequestError(f"the form is malformed: {quote(str(error))}") from None
    if parser.state != MultipartState.END:
        raise RequestError("the form is malformed: it ends before its last boundary")
    if not form.files:
        raise RequestError("the form has no file")
    return form.files


class _Form:
    """Collects the files while the parser reads a form.

    Attributes:
        files: those that were read to their end.
    """

    def __init__(self, most: int) -> None:
        self.files: list[FormFile] = []
        self._most = most
        self._field, self._value, self._disposition = bytearray(), bytearray(), ""
        self._content: list[memoryview] = []

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._content.append(memoryview(data)[start:end]),
            "on_part_end": self._end_part,
        }

    def _begin_part(self) -> None:
        if len(self.files) == self._most:
            raise BodyTooLarge(f"the form has more than the limit of {self._most} files")
        self._disposition = ""
        self._content.clear()

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._field.clear()
        self._value.clear()

    def _end_part(self) -> None:
        self.files.append(FormFile(_file_name(self._disposition), b"".join(self._content)))


def _file_name(disposition: str) -> str:
    """The name of a part's file, or of its field if the file has none."""
    kind, parameters = parse_options_header(disposition)
    if kind != b"form-data":
        raise RequestError("the form is malformed: a part without `Content-Disposition: form-data`")
    field = _decoded(parameters.get(b"name", b""))
    if b"filename" not in parameters:
        raise RequestError(f"form field {quote(field)} is not a file; options belong in the query, as in ?top=3")
    return _decoded(parameters[b"filename"]) or field


def _decoded(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    for escape, character in _BROWSERS_ESCAPES.items():
        text = text.replace(escape, character)
    return text
