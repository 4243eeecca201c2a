"""An image at an http or https address, fetched when it is first read."""

from __future__ import annotations

from io import BytesIO

from edgekit.errors import WeightsError
from edgekit.hub.cache import is_offline
from edgekit.hub.connection import Interrupted, body, check_address, request

DEFAULT_TIMEOUT_S = 30.0
_SILENCE_S = 10.0


class WebImage(BytesIO):
    """The bytes at `name`, an address, as a file to read; nothing is requested before the first `read`.

    timeout_s: how long all of it may take, redirections included. The first `read(size)` fetches; it refuses a
    response of `size` bytes or more if the server states its length, else stops there. Raises OSError with the reason
    why it did not arrive; `load_image` makes an ImageError of it.
    """

    def __init__(self, name: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        super().__init__()
        self.name = name
        self._timeout_s = timeout_s
        self._fetched = False

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, after the bytes have arrived."""
        if not self._fetched:
            self.write(self._fetch(None if size is None or size < 0 else size))
            self.seek(0)
            self._fetched = True
        return super().read(size)

    def _fetch(self, limit: int | None) -> bytes:
        if is_offline():
            raise OSError("EDGEKIT_OFFLINE is set")
        silence_s = min(_SILENCE_S, self._timeout_s)
        try:
            check_address(self.name)
            with request(self.name, {}, silence_s=silence_s, stall_s=silence_s, total_s=self._timeout_s) as response:
                if limit is not None and (response.length or 0) >= limit:
                    raise OSError(f"{response.length} bytes, more than the limit of {limit - 1} bytes; raise max_bytes")
                received = bytearray()
                for piece in body(response, response.length):
                    received += piece
                    if limit is not None and len(received) >= limit:
                        break
                return bytes(received)
        except (Interrupted, WeightsError) as error:
            raise OSError(str(error).removeprefix(f"{self.name}: ")) from None
