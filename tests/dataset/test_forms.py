"""Which form of a data set a path is: what was an image folder in an archive stays one."""

import pytest
from made_data import assert_cats_and_dogs, make_folder, pack
from made_shards import encoded, web_dataset, write_tar

from edgekit.dataset import read
from edgekit.dataset.forms import dataset_root
from edgekit.errors import DataError, SpecError
from edgekit.shards import ShardImage, ShardLayout


def test_a_tar_of_an_image_folder_is_read_like_the_folder_but_only_when_needed(tmp_path):
    images = read(pack(make_folder(tmp_path / "pets", ("train", "val")), tmp_path / "pets.tar"), "val")
    assert_cats_and_dogs(images)
    assert all(isinstance(source, ShardImage) for source in images.sources)
    assert images.names[0] == "val/cats/0.png"


def test_a_tar_with_labels_beside_its_images_is_a_shard(tmp_path):
    images = read(write_tar(tmp_path / "pets.tar", web_dataset([1, 200])), "all")
    assert images.classes == ("0", "1")


def test_a_compressed_shard_is_refused_with_what_to_do(tmp_path):
    path = write_tar(tmp_path / "pets.tar.gz", web_dataset([1, 200]))
    with pytest.raises(DataError, match=r"pets\.tar\.gz: .*decompress it \(gunzip\)"):
        read(path, "all")


def test_a_folder_with_images_stays_an_image_folder_whatever_else_lies_in_it(tmp_path):
    folder = make_folder(tmp_path / "pets", ("val",))
    write_tar(folder / "backup.tar", [("a.png", encoded(1))])
    assert_cats_and_dogs(read(folder, "val"))


@pytest.mark.parametrize("layout", [ShardLayout(label_column="label"), ShardLayout(class_names=("cat", "dog"))])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_read_refuses_choices_of_a_layout_for_images_that_are_not_in_shards(form, layout, tmp_path):
    path = make_folder(tmp_path / "pets", ("val",))
    if form == "archive":
        path = pack(path, tmp_path / "pets.tar")
    with pytest.raises(SpecError, match=r"pets.*for images in shards only"):
        read(path, "val", layout=layout)


def test_dataset_root_is_text_only_for_what_is_no_path(tmp_path):
    assert dataset_root("s3://bucket/x") == "s3://bucket/x"
    assert dataset_root("x-{0..9}.tar") == "x-{0..9}.tar"
    assert dataset_root(f"file://{tmp_path}") == tmp_path
    strange = tmp_path / "{0..9}"
    strange.mkdir()
    assert dataset_root(str(strange)) == strange
