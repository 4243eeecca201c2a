"""`edgekit adopt` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit import Classifier, Preprocess, Size
from edgekit.artifact.info import read_info
from edgekit.cli.adoption_settings import read_label_option
from edgekit.errors import DataError
from edgekit.hub.registry import imagenet_labels

SHIP = str(Path(__file__).parents[2] / "examples/ship.png")
ADOPTING = ("--labels", "l.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")


def test_adopt_reports_what_it_found_and_writes_a_file_that_predicts(edgekit, tmp_path, monkeypatch):
    from made_plain import LABELS, plain_model

    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model(end="softmax", classes=5).SerializeToString())
    Path("l.txt").write_text("\n".join(LABELS))
    adopting = (*ADOPTING, "--background-class", "first")
    code, out, err = edgekit("adopt", "plain.onnx", *adopting, "--license", "MIT")
    assert code == 0
    assert "plain.onnx: nchw, probabilities, background class 0 removed" in out
    assert "input 12x14 RGB, short edge 14, bilinear" in out
    assert "batch size dynamic" in out
    assert "wrote new.onnx; next: edgekit quantize new.onnx --calibration DATA" in err
    assert edgekit("predict", SHIP, "--model", "new.onnx")[0] == 0
    document = json.loads(edgekit("adopt", "plain.onnx", *adopting, "--activation-maps", "--json")[1] or "null")
    assert document is None  # the background's weights stand between the maps and the logits
    document = json.loads(edgekit("adopt", "plain.onnx", *adopting, "--name", "theirs", "--json")[1])
    assert (document["output_kind"], document["background"], document["batch"]) == ("probabilities", True, None)
    assert document["info"]["model"] == "theirs"
    Path("l.txt").write_text("one\ntwo\n")
    code, _, err = edgekit("adopt", "plain.onnx", *ADOPTING)
    assert (code, err.count("\n")) == (2, 1)
    assert "--labels must have one name for each of the model's 5 classes" in err


VIT = {"model_type": "vit", "architectures": ["Tiny"], "id2label": dict(enumerate(("red", "green", "blue", "black")))}
PROCESSOR = {"size": {"height": 12, "width": 14}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 3}


@pytest.fixture
def huggingface(tmp_path, monkeypatch) -> Path:
    """A folder as optimum writes it, in the working folder."""
    from made_plain import plain_model

    monkeypatch.chdir(tmp_path)
    folder = Path("vit tiny")
    folder.mkdir()
    (folder / "model.onnx").write_bytes(plain_model().SerializeToString())
    (folder / "config.json").write_text(json.dumps(VIT))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


def test_adopt_reads_the_configuration_of_a_folder_and_states_its_sources(edgekit, huggingface):
    code, out, err = edgekit("adopt", huggingface, "-o", "new.onnx")
    assert code == 0, err
    processor = f"{huggingface}/preprocessor_config.json (ViTImageProcessor)"
    assert f"resize, interpolation, fit, crop, mean, std: {processor}\n" in out
    assert f"labels, model: {huggingface}/config.json\n" in out
    assert "input 12x14 RGB, squashed to 12x14, bicubic\n" in out
    info = read_info("new.onnx")
    assert info.preprocess == Preprocess(
        fit="squash", resize=Size(12, 14), crop=Size(12, 14), interpolation="bicubic", mean=0.5, std=0.25
    )
    assert (info.labels, info.model, info.license) == (("red", "green", "blue", "black"), "Tiny", "unknown")


def test_adopt_lets_flags_take_precedence_and_states_it(edgekit, huggingface):
    flags = ("--mean", "0.4", "--fit", "letterbox", "--fill", "114", "--resampler", "torch", "--labels", "a,b,c, d")
    code, out, _ = edgekit(
        "adopt", huggingface, *flags, "--license", "MIT", "--name", "ours", "--json", "-o", "new.onnx"
    )
    assert code == 0
    document, info = json.loads(out), read_info("new.onnx")
    processor = f"{huggingface}/preprocessor_config.json (ViTImageProcessor)"
    assert f"mean: --mean, instead of {processor}" in document["sources"]
    assert f"fit: --fit, instead of {processor}" in document["sources"]
    assert f"labels: --labels, instead of {huggingface}/config.json" in document["sources"]
    assert f"model: --name, instead of {huggingface}/config.json" in document["sources"]
    assert (info.preprocess.fit, info.preprocess.resampler, info.preprocess.fill) == ("letterbox", "torch", (114,) * 3)
    assert (info.preprocess.mean, info.preprocess.std) == ((0.4,) * 3, (0.25,) * 3)
    assert (info.labels, info.license, info.model) == (("a", "b", "c", "d"), "MIT", "ours")


def test_adopt_takes_a_preset_and_squashes_to_the_input(edgekit, huggingface):
    code, out, err = edgekit("adopt", huggingface, "--preset", "keras-caffe", "-o", "new.onnx")
    assert code == 0, err
    assert "fit, interpolation, mean, std, bgr: preset keras-caffe\n" in out
    info = read_info("new.onnx")
    assert (info.preprocess.fit, info.preprocess.resize) == ("squash", Size(12, 14))
    kernel = Classifier("new.onnx").predict(SHIP).logits
    assert edgekit("adopt", huggingface, "--preset", "keras-caffe", "--color", "RGB", "-o", "rgb.onnx")[0] == 0
    assert not np.allclose(Classifier("rgb.onnx").predict(SHIP).logits, kernel), "the channels were reversed"


def test_adopt_names_every_missing_flag_in_one_error(mistake, huggingface):
    (huggingface / "config.json").unlink()
    (huggingface / "preprocessor_config.json").unlink()
    code, err = mistake("adopt", huggingface, "-o", "new.onnx")
    assert code == 2
    assert "no configuration was found for --mean, --std, --resize, --labels; set them, or --config or --preset" in err
    _, err = mistake("adopt", huggingface, "--mean", "0.5", "--std", "0.5", "--fit", "squash", "-o", "new.onnx")
    assert "was found for --labels; set" in err
    assert not Path("new.onnx").exists()


def test_adopt_reports_wrong_values_with_their_flags(mistake, huggingface):
    for flags, message in [
        (("--mean", "123.675"), "--mean must be on a 0-1 scale"),
        (("--labels", "names.txt"), "names.txt: cannot be opened: No such file"),
        (("--labels", "a,b"), "--labels must have one name for each of the model's 4 classes"),
        (("--preset", "keras"), "unknown preset 'keras'"),
        (("--head", "probs"), "unknown output 'probs'"),
        (("--interpolation", "cubic"), "unknown interpolation 'cubic'"),
        (("--config", "absent.json"), "absent.json: cannot be opened"),
        (("--crop", "9"), "--crop must be the model's input size 12x14"),
        (("--crop", "nine"), "--crop must be 1 to 4096 pixels"),
    ]:
        assert message in mistake("adopt", huggingface, *flags, "-o", "new.onnx")[1]
    (huggingface / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | {"size": 224}))
    message = "the input size is 12x14, but vit tiny/preprocessor_config.json (ViTImageProcessor) crops to 224x224"
    assert message in mistake("adopt", huggingface, "-o", "new.onnx")[1]


def test_adopt_does_not_need_a_configuration_that_it_cannot_read_if_flags_suffice(edgekit, mistake, huggingface):
    (huggingface / "preprocessor_config.json").write_text('{"image_processor_type": "OurImageProcessor"}')
    _, err = mistake("adopt", huggingface, "-o", "new.onnx")
    assert "preprocessor_config.json: unknown image processor 'OurImageProcessor'" in err
    flags = ("--labels", "a,b,c,d", "--mean", "0.5", "--std", "0.5", "--resize", "14")
    for name in ("labels.txt", "classes.txt"):  # only one could be meant
        (huggingface / name).write_text("r\ng\nb\nk\n")
    code, _, err = edgekit("adopt", huggingface, *flags, "-o", "new.onnx")
    assert (code, "warning: not used: vit tiny/preprocessor_config.json: unknown image processor" in err) == (0, True)


def test_read_label_option_tells_files_from_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own").write_text("x\ny\n")
    assert read_label_option("own") == ("x", "y")
    assert read_label_option("cat") == ("cat",)
    assert read_label_option("cat, dog") == ("cat", "dog")
    assert read_label_option("imagenet") == imagenet_labels()
    for path in ("names.txt", "folder/names", "labels.json"):
        with pytest.raises(DataError, match="cannot be opened"):
            read_label_option(path)


@pytest.fixture
def plain(edgekit, tmp_path, monkeypatch) -> Path:
    """A third-party model and its adopted form, in the working folder."""
    from made_plain import LABELS, plain_model

    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model().SerializeToString())
    Path("l.txt").write_text("\n".join(LABELS))
    assert edgekit("adopt", "plain.onnx", *ADOPTING)[0] == 0
    return tmp_path / "new.onnx"


@pytest.mark.slow
def test_adopt_fits_a_temperature_only_if_asked(edgekit, plain, write_drawn):
    data = write_drawn(plain, 240, temperature=0.5)
    before = Classifier(plain).predict(SHIP)
    code, out, err = edgekit("adopt", "plain.onnx", *ADOPTING, "--images", data)
    assert (code, "temperature" in out, read_info(plain).temperature) == (0, False, None)
    assert "no temperature" not in err
    code, out, _ = edgekit("adopt", "plain.onnx", *ADOPTING, "--images", data, "--calibrate", data)
    info, after = read_info(plain), Classifier(plain).predict(SHIP)
    assert (code, info.metrics["images"], info.temperature_fit["images"]) == (0, 240, 100)
    assert info.temperature_fit["interval"][0] < 0.5 < info.temperature_fit["interval"][1]
    assert f"temperature {info.temperature:.3g} (95% interval " in out
    assert "fitted to 100 images; ECE " in out
    assert "on 140 other images" in out
    assert (after.logits == before.logits).all()
    assert after.label == before.label
    assert edgekit("adopt", "plain.onnx", *ADOPTING, "--calibrate", data)[0] == 0
    assert (read_info(plain).metrics, read_info(plain).temperature_fit["images"]) == (None, 240)


def test_adopt_refuses_to_fit_a_temperature_to_few_images(mistake, plain, write_drawn):
    data = write_drawn(plain, 120, temperature=0.5)
    code, err = mistake("adopt", "plain.onnx", *ADOPTING, "--images", data, "--calibrate", data)
    assert code == 1
    assert "--calibrate needs 200 images if --images is the same data (got 120)" in err
    few = write_drawn(plain, 99, temperature=0.5, name="few")
    code, err = mistake("adopt", "plain.onnx", *ADOPTING, "--calibrate", few)
    assert code == 1
    assert "--calibrate must be at least 100 images (got 99)" in err
