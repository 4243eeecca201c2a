import numpy as np
import pyarrow
import pytest

from edgekit import Classifier, SpecError
from edgekit.engines.tables import TablePredictor


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def labels(tiny_artifact, images):
    with Classifier(tiny_artifact) as classifier:
        return [classifier.predict(image).label for image in images]


def test_arrays_by_name_keep_their_columns(tiny_artifact, images, labels):
    predictor = TablePredictor(tiny_artifact, column="image", top=1)
    batch = predictor.extended({"id": np.arange(3), "image": np.stack(images)})
    assert list(batch) == ["id", "image", "label", "probability", "top", "error"]
    assert batch["label"].tolist() == labels
    assert [scores[0]["label"] for scores in batch["top"]] == labels  # one list for each row, not an axis


@pytest.mark.parametrize("kind", ["table", "batch"])
def test_arrow_columns_have_the_types_of_the_schema(tiny_artifact, images, labels, kind):
    predictor = TablePredictor(tiny_artifact, column="image", prefix="p_")
    columns = {"label": ["a", "b", "c"], "image": [image.tolist() for image in images]}
    make = pyarrow.table if kind == "table" else pyarrow.RecordBatch.from_pydict
    extended = predictor.extended(make(columns))
    assert isinstance(extended, pyarrow.Table if kind == "table" else pyarrow.RecordBatch)
    assert extended["p_label"].to_pylist() == labels
    types = predictor.added_types(["label", "image"])
    assert [extended.schema.field(name).type for name in types] == list(types.values())


def test_tensors_of_arrow_are_images(tiny_artifact, images, labels):
    tensors = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(np.stack(images))
    extended = TablePredictor(tiny_artifact, column="image").extended(pyarrow.table({"image": tensors}))
    assert extended["label"].to_pylist() == labels


def test_batch_whose_images_all_fail_has_the_same_types(tiny_artifact):
    predictor = TablePredictor(tiny_artifact, column="image")
    extended = predictor.extended(pyarrow.table({"image": [b"broken", None]}))
    assert [extended.schema.field(name).type for name in predictor.arrow_types()] == [*predictor.arrow_types().values()]
    assert extended["label"].null_count == 2
    assert extended["error"].null_count == 0


def test_empty_batch_stays_empty(tiny_artifact):
    table = pyarrow.table({"image": pyarrow.array([], pyarrow.binary())})
    assert TablePredictor(tiny_artifact, column="image").extended(table).num_rows == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["path"], "unknown `column` 'image'; known: path"),
        (["images"], "unknown `column` 'image'; did you mean images?"),
        (
            ["image", "label", "error"],
            "the table has columns that predictions would replace: label, error; choose a `prefix`",
        ),
    ],
)
def test_columns_that_do_not_fit_are_an_error(tiny_artifact, columns, message):
    with pytest.raises(SpecError) as caught:
        TablePredictor(tiny_artifact, column="image").added_types(columns)
    assert str(caught.value) == message


def test_bytes_of_a_fixed_width_are_refused(tiny_artifact):
    with pytest.raises(SpecError, match="NumPy drops zeros at the end"):
        TablePredictor(tiny_artifact, column="image").extended({"image": np.array([b"a\0", b"b"])})


@pytest.mark.parametrize("name", ["column", "prefix"])
def test_names_must_be_text(tiny_artifact, name):
    with pytest.raises(SpecError, match=f"^`{name}` must be a str"):
        TablePredictor(tiny_artifact, **{"column": "image", name: 3})
