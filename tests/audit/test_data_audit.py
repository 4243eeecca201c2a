"""`audit`, from any kind of data to what is wrong with it."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from made_audits import colored_images, drawing
from made_images import encoded
from made_models import WEIGHT, tiny_model, write_tiny
from onnx import numpy_helper
from PIL import Image, ImageOps

from edgekit import DataError, SpecError, dataset
from edgekit.audit import audit
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError


def write(folder, images, split):
    for name, source, label in zip(images.names, images.sources, images.labels, strict=True):
        path = folder / split / images.classes[label] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source).save(path)


@pytest.fixture
def photos(tmp_path):
    """120 training images, 2 of them with the label of another class, and 40 others."""
    write(tmp_path / "photos", colored_images(120, flipped=(3, 50)), "train")
    write(tmp_path / "photos", colored_images(40, first=1000), "val")
    return tmp_path / "photos"


def test_audit_of_a_folder_finds_what_is_wrong_with_it(photos, tiny_artifact):
    (photos / "train/red/broken.jpg").write_bytes(b"not an image")
    shutil.copy(photos / "train/green/1.png", photos / "val/green/copy.png")
    before = sorted((path, path.stat().st_mtime_ns) for path in photos.rglob("*"))
    steps = []
    found = audit(photos, model=tiny_artifact, progress=lambda *step: steps.append(step))
    names = found.survey.images.names
    assert [name for name, _ in found.survey.unreadable] == ["train/red/broken.jpg"]
    (group,) = [group for group in found.duplicates if group.is_exact]
    assert {names[image] for image in group.images} == {"train/green/1.png", "val/green/copy.png"}
    assert group.spans_splits
    assert {names[issue.image] for issue in found.label_issues[:2]} == {"train/red/3.png", "train/black/50.png"}
    assert {split: len(images) for split, images in found.splits.items()} == {"train": 121, "val": 41}
    assert (found.data, found.model, found.unjudged) == (str(photos), "tiny", ())
    assert [stage for stage, _, _ in steps if stage == "reading images"] == ["reading images"] * 163
    assert ("judging labels", 5, 5) in steps
    assert sorted((path, path.stat().st_mtime_ns) for path in photos.rglob("*")) == before


def test_audit_is_the_same_for_folder_archive_and_image_sets(photos, tiny_artifact):
    archive = shutil.make_archive(str(photos), "zip", photos)
    results = [audit(data, model=tiny_artifact) for data in (photos, archive, dataset.read_splits(photos))]
    for result in results[1:]:
        assert result.label_issues == results[0].label_issues
        assert result.duplicates == results[0].duplicates
        assert result.outliers == results[0].outliers
    other_folds = audit(photos, model=tiny_artifact, seed=1)
    assert other_folds.label_issues != results[0].label_issues


def test_audit_without_a_model_finds_duplicates_only(photos):
    found = audit(photos, name="mine")
    assert (found.data, found.model, found.label_issues, found.outliers) == ("mine", None, (), ())
    assert found.unjudged == ("labels and outliers are not judged, because no model was given",)


def test_audit_of_a_folder_without_classes(tmp_path, tiny_artifact):
    for n in range(12):
        (drawing(n) if n else ImageOps.mirror(drawing(1))).save(tmp_path / f"{n}.png")
    found = audit(tmp_path, model=tiny_artifact)
    assert found.survey.images.classes == ()
    assert [(group.images, group.is_mirrored) for group in found.duplicates] == [((0, 1), True)]
    assert found.unjudged == ("labels are not judged: the images have none",)
    assert len(found.outliers) == 12


def test_audit_of_a_multi_label_table(tmp_path, tiny_artifact):
    images, lines = colored_images(80), ["file,labels"]
    for n, (name, source, label) in enumerate(zip(images.names, images.sources, images.labels, strict=True)):
        Image.fromarray(source).save(tmp_path / name)
        lines.append(f"{name},{'' if n == 8 else images.classes[label]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = audit(tmp_path, model=tiny_artifact)
    first = found.label_issues[0]
    assert (found.survey.images.names[first.image], found.label_text(first.labels)) == ("8.png", "none")
    assert found.label_text(first.likely) == "red"


@pytest.mark.parametrize("count", [1, 2, 9])
def test_audit_of_very_few_images(tiny_artifact, count):
    found = audit(colored_images(count), model=tiny_artifact)
    assert len(found.survey.images) == count
    assert "fewer than 10 different images" in found.unjudged[0]


def test_audit_of_equal_images(tiny_artifact):
    images = colored_images(40)
    equal = ImageSet(images.classes, [np.asarray(drawing(0))] * 40, images.names, images.labels)
    found = audit(equal, model=tiny_artifact)
    (group,) = found.duplicates
    assert (len(group.images), group.is_exact, group.spans_classes) == (40, True, True)
    assert found.outliers == ()


def test_audit_of_unreadable_images_alone(tiny_artifact):
    broken = ImageSet(("a", "b"), [b"1", b"2"], ("x", "y"), (0, 1))
    found = audit(broken, model=tiny_artifact)
    assert (len(found.survey.images), len(found.survey.unreadable), found.duplicates) == (0, 2, ())


def test_audit_refuses_a_bomb_as_unreadable(tiny_artifact):
    bomb = encoded(Image.new("L", (9000, 9000)), "PNG")
    found = audit(ImageSet(("a",), [bomb, encoded(drawing(0), "PNG")], ("bomb", "good"), (0, 0)), model=tiny_artifact)
    assert [name for name, _ in found.survey.unreadable] == ["bomb"]
    assert "limit" in found.survey.unreadable[0].reason


def test_audit_of_a_model_whose_logits_are_not_finite_is_an_error(tmp_path):
    model = tiny_model()
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
    weight.CopyFrom(numpy_helper.from_array(np.full_like(WEIGHT, np.nan), "weight"))
    with pytest.raises(ArtifactError, match="not finite"):
        audit(colored_images(12), model=write_tiny(tmp_path / "nan.onnx", model))


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (3, {}, "`data` must be"),
        ({"train": colored_images(4), "val": ImageSet(("a",), [], (), ())}, {}, "the same classes"),
        ({"train": [1]}, {}, "`data` must be an ImageSet"),
        (colored_images(4), {"seed": -1}, "`seed` must be an integer from 0"),
        (colored_images(4), {"seed": "x"}, "`seed` must be"),
        (colored_images(4), {"threads": 0}, "`threads` must be an integer from 1 to 256"),
        (colored_images(4), {"threads": True}, "`threads` must be an integer from 1 to 256"),
    ],
)
def test_audit_refuses_wrong_arguments(data, options, message):
    with pytest.raises(SpecError, match=message):
        audit(data, **options)


@pytest.mark.parametrize("data", [{}, ImageSet(("a",), [], (), ())])
def test_audit_refuses_data_without_images(data):
    with pytest.raises(DataError, match="no images"):
        audit(data)


def test_audit_needs_neither_torch_nor_onnx(photos, tiny_artifact):
    code = (
        f"import sys; from edgekit.audit import audit; audit({str(photos)!r}, model={str(tiny_artifact)!r});"
        "sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'scipy', 'sklearn', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
