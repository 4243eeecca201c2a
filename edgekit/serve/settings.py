"""The limits and switches of a server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edgekit.errors import SpecError, check_types, must_be
from edgekit.image.decode_limits import DEFAULT_LIMITS

_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What a server allows. Each process of a server has these limits for itself.

    Attributes:
        threads: images predicted at a time, each in one thread; by default the cores available to the process.
        queue: requests that wait for a thread; further ones get 503 with Retry-After.
        deadline_s: seconds from the end of a request's body to its response; after that, 504.
        max_body_bytes: largest body of a request, in bytes; a larger one gets 413 before it is read.
        max_held_bytes: largest sum of the bodies in memory, in bytes; beyond it, requests get 503, or clients that have
            been sending for more than `body_timeout_s` are cut off.
        body_timeout_s: seconds in which a body must arrive, to which each received `min_body_rate` bytes add one, and
            longest pause in it; after that, 408.
        min_body_rate: bytes per second.
        max_images: images in one request.
        max_pixels: height times width of an image.
        max_tensor_values: values in the JSON of one request of the Open Inference Protocol; binary data is limited by
            its bytes alone.
        api_keys: keys of which a request must have one; by default none is needed.
        hosts: names, besides localhost and IP addresses, that the header Host may have; None for any.
        allow_urls: whether requests may name images by http and https addresses, which the server fetches.
        url_timeout_s: seconds in which such an image must arrive.
        reload_models: whether a model file that is replaced is loaded while the server runs.
        reload_interval_s: seconds between two looks at the files.
        page: whether the server has a page at /.
        access_log: whether each request is logged.

    Raises:
        SpecError: a value is not of its type, or not in its range.

    Example:
        >>> from edgekit.serve import ServeSettings
        >>> ServeSettings(queue=16, max_images=8).deadline_s
        30.0
    """

    threads: int | None = None
    queue: int = 64
    deadline_s: float = 30.0
    max_body_bytes: int = 32 * 2**20
    max_held_bytes: int = 256 * 2**20
    body_timeout_s: float = 20.0
    min_body_rate: int = 4096
    max_images: int = 64
    max_pixels: int = DEFAULT_LIMITS.max_pixels
    max_tensor_values: int = 2**20
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    hosts: tuple[str, ...] | None = None
    allow_urls: bool = False
    url_timeout_s: float = 10.0
    reload_models: bool = False
    reload_interval_s: float = 1.0
    page: bool = True
    access_log: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not (value is None and name == "threads"):
                _check_number(name, value, least=least, is_whole=not name.endswith("_s"))
        check_types(
            bool,
            allow_urls=self.allow_urls,
            reload_models=self.reload_models,
            page=self.page,
            access_log=self.access_log,
        )
        check_types(tuple | None, hosts=self.hosts)
        for host in self.hosts or ():
            if not (isinstance(host, str) and _HOST_NAME.fullmatch(host)):  # no request would have it
                raise SpecError(must_be("hosts", "host names without a port, such as edge.example", host))
        if not _are_texts(self.api_keys):  # without the value: keys belong in no message
            raise SpecError("`api_keys` must be a tuple of texts that are not empty")


_LEAST = {
    "threads": 1,
    "queue": 0,
    "deadline_s": 0.001,
    "max_body_bytes": 1,
    "max_held_bytes": 1,
    "body_timeout_s": 0.001,
    "min_body_rate": 1,
    "url_timeout_s": 0.001,
    "reload_interval_s": 0.001,
    "max_images": 1,
    "max_pixels": 1,
    "max_tensor_values": 1,
}


def _check_number(name: str, value: object, *, least: float, is_whole: bool) -> None:
    kinds = (int,) if is_whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < float("inf"):
        raise SpecError(must_be(name, f"{'an integer' if is_whole else 'a number'} from {least:g}", value))


def _are_texts(values: object) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, str) and value for value in values)
