"""Records of tar files: grouped by the name up to the first dot, with labels of .cls, .json and .txt files."""

import io
import tarfile

import pytest
from made_shards import encoded, write_tar

from edgekit.errors import DataError, DataWarning
from edgekit.shards import find_shards
from edgekit.shards.tar_shard import has_labels

PNG = encoded(7)


def records(path):
    return [(record.key, record.label) for record in find_shards(str(path))[0].read()]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("a.png", PNG), ("a.cls", b"3")], [("a", 3)]),
        ([("a.cls", b"3\n"), ("a.png", PNG)], [("a", 3)]),
        ([("x/a.png", PNG), ("x/a.cls", b"golden retriever")], [("x/a", "golden retriever")]),
        ([("a.PNG", PNG), ("a.json", b'{"label": 5, "cls": 6}')], [("a", 5)]),
        ([("a.png", PNG), ("a.json", b'{"label": "dog"}'), ("a.txt", b"a caption")], [("a", "dog")]),
        ([("a.png", PNG), ("a.json", b'{"width": 8}'), ("a.txt", b"cat")], [("a", "cat")]),
        ([("a.png", PNG), ("a.txt", b"two\nlines")], [("a", None)]),
        ([("a.png", PNG), ("a.cls", b"-1")], [("a", -1)]),
        ([("a.png", PNG), ("a.json", b"7")], [("a", 7)]),
        ([("a.png", PNG), ("a.json", b"{"), ("b.png", PNG), ("b.cls", b"\xff")], [("a", None), ("b", None)]),
        ([("a.png", PNG), ("a.cls", b"1"), ("a.seg.png", PNG)], [("a", 1)]),
        ([("a.v1.png", PNG), ("a.v2.png", PNG)], [("a.v1.png", None), ("a.v2.png", None)]),
        ([("n01/b.png", PNG), ("n02/b.png", PNG)], [("n01/b", None), ("n02/b", None)]),
        (
            [("README", b"text"), ("a.png", PNG), ("classes.txt", b"x"), ("._a.png", b"?"), (".b.cls", b"1")],
            [("a", None)],
        ),
    ],
)
def test_records_have_the_label_beside_their_image(tmp_path, members, expected):
    assert records(write_tar(tmp_path / "x.tar", members)) == expected
    assert records(write_tar(tmp_path / "x.tar.gz", members)) == expected


def test_a_record_with_labels_and_two_images_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.png", PNG), ("a.jpg", PNG), ("a.cls", b"1")])
    with pytest.raises(DataError, match=r"x\.tar: a record must have one image, but 'a' has 'a\.png', 'a\.jpg'"):
        records(path)


def test_links_to_images_are_followed_and_others_left_out_with_a_warning(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cats/a.png")
        info.size = len(PNG)
        archive.addfile(info, io.BytesIO(PNG))
        for name, kind, target in (
            ("dogs/b.png", tarfile.LNKTYPE, "cats/a.png"),
            ("dogs/c.png", tarfile.SYMTYPE, "../cats/a.png"),
            ("dogs/d.png", tarfile.SYMTYPE, "/etc/passwd"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
        pipe = tarfile.TarInfo("dogs/e.png")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    with pytest.warns(DataWarning, match=r"2 members are not files .*: 'dogs/d\.png', 'dogs/e\.png'"):
        images = {record.key: record.image for record in find_shards(str(path))[0].read()}
    assert images == dict.fromkeys(("cats/a", "dogs/b", "dogs/c"), PNG)


def test_a_shard_without_an_end_mark_is_read_with_a_warning(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.png", PNG)])
    path.write_bytes(path.read_bytes()[: 512 + -(-len(PNG) // 512) * 512])
    with pytest.warns(DataWarning, match="has no end mark; if it was not written completely, images are missing"):
        assert records(path) == [("a", None)]


def test_a_label_of_megabytes_and_a_record_of_thousands_of_members_are_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.png", PNG), ("a.cls", bytes(2**20 + 1))])
    with pytest.raises(DataError, match="more than a label may have"):
        records(path)
    path = write_tar(tmp_path / "y.tar", [(f"a.{number}.png", b"") for number in range(1001)])
    with pytest.raises(DataError, match="'a' has more than 1000 members"):
        records(path)


def test_has_labels_is_true_only_if_a_label_lies_beside_an_image(tmp_path):
    assert has_labels(write_tar(tmp_path / "a.tar", [("a.png", PNG), ("a.cls", b"1")]))
    assert not has_labels(write_tar(tmp_path / "b.tar", [("cats/a.png", PNG), ("classes.txt", b"cats")]))
    assert not has_labels(write_tar(tmp_path / "c.tar.gz", [("a.png", PNG), ("a.cls", b"1")]))
