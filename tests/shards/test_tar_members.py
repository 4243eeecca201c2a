"""Headers of tar files: equal to what Python's tarfile reads, and bounded for hostile files."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import DataError, EdgekitError
from edgekit.shards.tar_members import TarFile

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def packed(infos, *, format=tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for info, data in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def opened(data: bytes) -> TarFile:
    return TarFile(io.BytesIO(data), "x.tar", size_bytes=len(data))


def named(name: str, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=6), st.binary(max_size=1200)), max_size=6))
@pytest.mark.parametrize("format", FORMATS[1:])
def test_members_are_those_that_tarfile_reads(format, files):
    data = packed([(named("/".join(parts)), content) for parts, content in files], format=format)
    tar = opened(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(i.name, i.size, i.offset_data, archive.extractfile(i).read()) for i in archive]
    assert [(m.name, m.size, m.offset, tar.read(m)) for m in tar.members()] == expected


def test_members_of_long_ustar_paths_have_the_prefix():
    name = "a" * 90 + "/" + "b" * 90 + ".jpg"
    assert [m.name for m in opened(packed([(named(name), b"x")], format=tarfile.USTAR_FORMAT)).members()] == [name]


def test_members_state_their_kind_and_the_target_of_links():
    infos = [
        (named("photos", type=tarfile.DIRTYPE), b""),
        (named("photos/a.jpg"), b"image"),
        (named("photos/hard.jpg", type=tarfile.LNKTYPE, linkname="photos/a.jpg"), b""),
        (named("photos/soft.jpg", type=tarfile.SYMTYPE, linkname="./a.jpg"), b""),
        (named("pipe", type=tarfile.FIFOTYPE), b""),
        (named("disk", type=tarfile.BLKTYPE), b""),
    ]
    found = [(m.name, m.kind, m.target) for m in opened(packed(infos)).members() if m.kind != "file"]
    assert [kind for _, kind, _ in found] == ["folder", "link", "link", "other", "other"]
    assert [target for _, kind, target in found if kind == "link"] == ["photos/a.jpg", "photos/a.jpg"]


def test_a_leading_dot_is_left_out_of_names():
    assert [m.name for m in opened(packed([(named("./a/b.jpg"), b"x")])).members()] == ["a/b.jpg"]


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg", "a/../../b.jpg"])
def test_a_path_out_of_the_archive_is_refused(name):
    with pytest.raises(DataError, match=r"must be relative and without \.\."):
        list(opened(packed([(named(name), b"x")])).members())


def test_a_member_that_ends_behind_the_file_is_refused():
    data = packed([(named("a.jpg"), b"x" * 5000)])
    with pytest.raises(DataError, match=r"cut off: 'a.jpg' has 5000 bytes, of which the file contains 488"):
        list(opened(data[:1000]).members())


def test_a_file_cut_off_between_members_is_read_with_a_warning_by_its_reader():
    data = packed([(named("a.jpg"), b"x" * 512)])[:1024]
    tar = opened(data)
    assert [m.name for m in tar.members()] == ["a.jpg"]
    assert not tar.has_end_mark


@pytest.mark.parametrize("size", [2**21, 2**33])
def test_an_extended_header_of_megabytes_is_refused_before_it_is_read(size):
    info = named("a.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"x"
    header[124:136] = f"{size:011o}\0".encode() if size < 2**33 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(DataError, match=f"extended header of {size} bytes"):
        list(opened(bytes(header) + bytes(1024)).members())


@pytest.mark.parametrize(
    "field", [b"30 path=a\n", b"x path=a\n", b"6 path\n", b"-5 path=b\n", b"99999999999999999 a=b\n"]
)
def test_a_broken_pax_header_is_refused(field):
    info = named("pax", type=b"x")
    info.size = len(field)
    data = info.tobuf(tarfile.USTAR_FORMAT) + field.ljust(512, b"\0") + packed([(named("a.jpg"), b"x")])
    with pytest.raises(DataError, match="broken pax header"):
        list(opened(data).members())


def test_a_sparse_member_is_refused():
    with pytest.raises(DataError, match=r"'a\.jpg' is stored as a sparse file"):
        list(opened(packed([(named("a.jpg", pax_headers={"GNU.sparse.major": "1"}), b"x")])).members())


def test_what_is_not_a_tar_file_is_refused():
    with pytest.raises(DataError, match=r"x.tar: broken tar file: is not a tar file \(at byte 0\)"):
        list(opened(b"PK\3\4" + bytes(2000)).members())


@given(st.binary(max_size=3), st.integers(0, 4000))
def test_damaged_files_are_read_or_refused(damage, position):
    data = bytearray(packed([(named("folder/" + "n" * 120 + ".jpg"), b"y" * 700), (named("b.cls"), b"1")]))
    data[position : position + len(damage)] = damage
    with contextlib.suppress(EdgekitError):
        tar = opened(bytes(data))
        assert all(len(tar.read(member)) == member.size for member in tar.members())
