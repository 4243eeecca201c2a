"""Several outputs: the one with a score per label is chosen, or the user is asked."""

import numpy as np
import onnx
import pytest
from made_plain import LABELS, SIZE, plain_model
from onnx import TensorProto, helper

from edgekit import Classifier, Preprocess
from edgekit.errors import SpecError
from edgekit.export.adopt import adopt
from edgekit.export.score_output import choose_output, is_score
from edgekit.export.third_party import read_third_party

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def saved(folder, model):
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def with_features():
    """plain_model with its features, (N, 8), as its first output, and a second head of as many classes as the first."""
    model = plain_model()
    model.graph.output.insert(0, helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 8]))
    return model


def with_two_heads():
    model = with_features()
    model.graph.node.append(helper.make_node("Neg", ["output"], ["other"]))
    model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 4]))
    return model


def test_adopt_chooses_the_output_with_a_score_for_each_label(tmp_path):
    plain = adopt(
        read_third_party(saved(tmp_path, plain_model())), tmp_path / "a.onnx", preprocess=PREPROCESS, labels=LABELS
    )
    source = read_third_party(saved(tmp_path, with_features()))
    assert source.candidates == ("flat", "output")
    adoption = adopt(source, tmp_path / "b.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert "the output 'output' is the scores, of the 2 outputs" in adoption.notes
    assert Classifier(adoption.path).logits(PIXELS).tolist() == Classifier(plain.path).logits(PIXELS).tolist()


def test_adopt_asks_which_of_two_outputs_is_the_scores(tmp_path):
    path = saved(tmp_path, with_two_heads())
    with pytest.raises(
        SpecError, match=r"several of its outputs .* \('flat' float32 \(1, 8\), 'output' .*set `output`"
    ):
        adopt(read_third_party(path), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    with pytest.raises(SpecError, match="none of its outputs"):
        adopt(read_third_party(path), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS[:3] * 2)
    chosen = {}
    for name in ("output", "other"):
        source = read_third_party(path, output=name)
        adoption = adopt(source, tmp_path / f"{name}.onnx", preprocess=PREPROCESS, labels=LABELS)
        chosen[name] = Classifier(adoption.path).logits(PIXELS)
    np.testing.assert_allclose(chosen["other"], -chosen["output"], atol=1e-6)
    assert "Neg" not in {node.op_type for node in onnx.load(tmp_path / "output.onnx").graph.node}
    with pytest.raises(SpecError, match=r"third-party\.onnx: unknown output 'outptu'; did you mean output"):
        read_third_party(path, output="outptu")


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((1, 7), True),
        ((1, 7, 1, 1), True),
        ((1, 1, 1, 7), True),
        ((1,), True),
        ((2, 7), False),
        ((1, 7, 2), False),
        ((7,), False),
        ((), False),
    ],
)
def test_is_score_accepts_one_number_per_class(shape, fits):
    assert is_score(np.zeros(shape, np.float32)) == fits
    assert not is_score(np.zeros(shape, np.int64))


@pytest.mark.parametrize(
    ("sizes", "labels", "chosen"),
    [({"a": 5, "b": 4}, 4, "b"), ({"a": 5, "b": 8}, 4, "a"), ({"a": 1, "b": 8}, 1, "a"), ({"a": 1, "b": 2}, 2, "b")],
)
def test_choose_output_counts_labels_then_a_background_class_then_a_single_score(sizes, labels, chosen):
    assert choose_output({name: np.zeros((1, size), np.float32) for name, size in sizes.items()}, labels) == chosen
