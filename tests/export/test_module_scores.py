"""The scores in what a module returns, and the common mistakes of modules."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from made_modules import ModelOutput, Returning, body
from torch import Tensor, nn

from edgekit.errors import SpecError
from edgekit.export.module_scores import (
    ScoreNetwork,
    are_named_logits,
    check_module,
    module_scores,
    scores_in,
    scores_note,
)

SCORES, OTHER = torch.zeros(2, 3), torch.ones(2, 8)
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 16, 20, 3), np.uint8)


class Outputs(NamedTuple):
    """As torchvision's GoogLeNet returns in training."""

    logits: Tensor
    aux_logits: Tensor


def network(module: nn.Module, *, bgr: bool = False) -> ScoreNetwork:
    return ScoreNetwork(module.eval(), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), bgr=bgr)


@pytest.mark.parametrize(
    ("output", "note"),
    [
        (SCORES, None),
        (ModelOutput(loss=None, logits=SCORES, hidden_states=(OTHER,)), None),
        ({"features": OTHER, "logits": SCORES}, None),
        (SimpleNamespace(logits=SCORES), None),
        (Outputs(SCORES, OTHER), None),
        ({"out": SCORES}, "the module returns a dict; its only tensor is taken for the logits: 'out'"),
        ((SCORES, OTHER), "the module returns a tuple; its first element is taken for the logits"),
        ([SCORES], "the module returns a list; its first element is taken for the logits"),
    ],
)
def test_scores_in_finds_the_logits_in_each_form(output, note):
    assert scores_in(output) is SCORES
    assert scores_note(output) == note
    assert are_named_logits(output) == (note is None and output is not SCORES)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"a": SCORES, "b": OTHER}, r"under the key 'logits' \(got the tensors 'a', 'b'\)"),
        ({"loss": None}, r"under the key 'logits' \(got the tensors none\)"),
        (None, r"must return a tensor of logits \(got a NoneType\)"),
        (("cat", SCORES), r"must return a tensor of logits \(got a tuple\)"),
        ((), r"must return a tensor of logits \(got a tuple\)"),
    ],
)
def test_scores_in_raises_for_other_forms(output, message):
    with pytest.raises(SpecError, match=message):
        scores_in(output)


@pytest.mark.parametrize("form", [lambda s: s, lambda s: s[:, :, None, None], lambda s: {"logits": s}])
def test_module_scores_are_one_row_for_each_image(form):
    module = network(Returning(body(3), form))
    assert scores_in(check_module(module, PIXELS)).shape[:2] == (2, 3)
    rows = module_scores(module, np.concatenate([PIXELS, PIXELS]))
    assert (rows.shape, rows.dtype) == ((4, 3), np.float32)
    normalized = (
        torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255 - torch.tensor((0.5, 0.4, 0.3)).view(-1, 1, 1)
    ) / 0.2
    expected = body(3)(normalized).detach().numpy()
    np.testing.assert_allclose(rows[:2], expected, atol=1e-5)


def test_module_scores_of_a_single_score_without_an_axis_for_it():
    module = network(Returning(body(1), lambda scores: scores.squeeze(1)))
    check_module(module, PIXELS)
    assert module_scores(module, PIXELS).shape == (2, 1)


def test_score_network_reverses_the_channels_after_normalizing_them():
    rgb, bgr = (network(nn.Flatten(), bgr=bgr) for bgr in (False, True))
    first, second = (module_scores(module, PIXELS).reshape(2, 3, 16, 20) for module in (rgb, bgr))
    np.testing.assert_array_equal(first, second[:, ::-1])


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            body(3).double(),
            r"does not accept float32 \(2, 3, 16, 20\): .*; its weights are float64, so pass module\.fl",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), r"does not accept float32 \(2, 3, 16, 20\): .*960.* 7"),
        (Returning(body(3), torch.squeeze), r"float32 \(1, classes\) for a batch of 1 \(got float32 \(3,\)\)"),
        (Returning(body(3), lambda s: s.sum()), r"float32 \(2, classes\) for a batch of 2 \(got float32 \(\)\)"),
        (Returning(body(3), lambda s: s.half()), r"\(got float16 \(2, 3\)\)"),
        (nn.Conv2d(3, 8, 1), r"\(got float32 \(2, 8, 16, 20\)\)"),
        (body(3).to("meta"), r"must be on the CPU \(got meta\)"),
    ],
    ids=["double", "input", "squeezed", "reduced", "half", "map", "device"],
)
def test_check_module_raises_for_a_module_that_is_no_classifier(module, message):
    with pytest.raises(SpecError, match=message) as caught:
        check_module(network(module), PIXELS)
    assert str(caught.value).isprintable()
