"""An image at an http or https address, downloaded when it is first read."""

from __future__ import annotations

from io import BytesIO

from edgekit.errors import WeightsError
from edgekit.hub.cache import is_offline
from edgekit.hub.connection import Interrupted, body, check_address, request

DEFAULT_TIMEOUT_S = 30.0
_SILENCE_S = 10.0


class WebImage(BytesIO):
    """A file object with the content of an address. Nothing is requested before the first `read`.

    The first `read(size)` downloads the image. It refuses a response of `size` bytes or more if the server states the
    length, and otherwise stops after `size` bytes.

    Args:
        name: http or https address.
        timeout_s: seconds that the download may take, redirects included.
        public_only: refuse private addresses, as `request` does.

    Raises:
        OSError: from `read`, with the reason; `load_image` converts it to an ImageError.
    """

    def __init__(self, name: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, public_only: bool = False) -> None:
        super().__init__()
        self.name = name
        self._timeout_s, self._public_only = timeout_s, public_only
        self._fetched = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as from any file, downloading it first if necessary."""
        if not self._fetched:
            self.write(self._fetch(None if size is None or size < 0 else size))
            self.seek(0)
            self._fetched = True
        return super().read(size)

    def _fetch(self, limit: int | None) -> bytes:
        if is_offline():
            raise OSError("EDGEKIT_OFFLINE is set; unset it to download images")
        silence_s = min(_SILENCE_S, self._timeout_s)
        try:
            check_address(self.name)
            with request(
                self.name,
                {},
                silence_s=silence_s,
                stall_s=silence_s,
                total_s=self._timeout_s,
                public_only=self._public_only,
            ) as response:
                if limit is not None and (response.length or 0) >= limit:
                    raise OSError(
                        f"{response.length} bytes, more than the limit of {limit - 1} bytes; raise `max_bytes`"
                    )
                received = bytearray()
                for piece in body(response, response.length):
                    received += piece
                    if limit is not None and len(received) >= limit:
                        break
                return bytes(received)
        except (Interrupted, WeightsError) as error:
            raise OSError(str(error).removeprefix(f"{self.name}: ")) from None
