"""Small models of other libraries, adopted and compared with them: a part of scripts/compare_with_peers.py."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/compare_with_peers.py"
PEERS = (
    "timm/test_efficientnet.r160_in1k",
    "timm/test_vit.squash",
    "hugging_face/mobilenet_v2-tiny",
    "hugging_face/vit-tiny",
    "keras_torch/mobilenet_v2-small",
)


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """What the script found, by peer; it installs the libraries in environments of their own."""
    work = tmp_path_factory.mktemp("peers")
    photos = shared / "data/imagenet-photos/images"
    command = [sys.executable, SCRIPT, "--work", work, "--photos", photos, *PEERS]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (work / "results.json").is_file(), done.stderr
    return json.loads((work / "results.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS)
def test_adopt_with_the_saved_configuration_predicts_as_the_library_does(results, peer):
    result = results[peer]
    if "not_installed" in result:
        pytest.skip(f"pip cannot install the library: {result['not_installed']}")
    assert "error" not in result, result["error"]
    assert result["adopted"]["equal"] == result["adopted"]["compared"] >= 15
    assert result["adopted"]["difference"] <= 1e-3
    assert result["control"]["difference"] > 1e-2  # the same model, with the image resized wrongly


@pytest.fixture
def agreement(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from peers.comparison import agreement

    return agreement


LOGITS = np.random.default_rng(0).normal(0, 3, (20, 10))


def test_logits_up_to_a_constant_agree(agreement):
    same = agreement(LOGITS, LOGITS + 5)
    assert same.passed
    assert same.equal == same.compared > 15
    assert same.difference < 1e-12


def test_one_different_label_fails(agreement):
    logits = LOGITS.copy()
    top, second = np.argsort(LOGITS[3])[:-3:-1]
    logits[3, second] = LOGITS[3, top] + 1e-9
    almost = agreement(LOGITS, logits)
    assert not almost.passed
    assert almost.equal == almost.compared - 1


def test_label_of_a_near_tie_does_not_count_but_its_logits_do(agreement):
    tie, swapped = np.array([[2.0, 1.999, 0.0], [5.0, 0.0, 0.0]]), np.array([[0, 1.0, 0], [0, 0, 0]])
    assert agreement(tie, tie + 0.0012 * swapped).passed
    far = agreement(tie, tie + 0.01 * swapped)
    assert far.equal == far.compared == 1
    assert not far.passed


def test_logits_of_which_one_is_off_fail(agreement):
    logits = LOGITS.copy()
    logits[7, LOGITS[7].argmin()] -= 0.01 * LOGITS[7].std()
    off = agreement(LOGITS, logits)
    assert off.equal == off.compared
    assert not off.passed


def test_script_refuses_an_unknown_peer():
    done = subprocess.run([sys.executable, str(SCRIPT), "timm/resnet"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown: timm/resnet" in done.stderr
