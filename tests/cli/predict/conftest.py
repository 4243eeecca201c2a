"""Images for `edgekit predict`."""

import pytest
from made_images import encoded, noise


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images 1.png to 12.png, of which 5.png and 7.png are broken; the working folder."""
    for number in range(1, 13):
        data = encoded(noise(20 + number, 25), "PNG")
        (tmp_path / f"{number}.png").write_bytes(b"broken" if number in (5, 7) else data)
    monkeypatch.chdir(tmp_path)
    return tmp_path
