"""The bundles for phones: the Kotlin port compiled and run against Python, and the Swift port in step with it."""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import settings
from made_models import write_tiny
from made_preprocess import random_cases
from PIL import Image, ImageOps

import edgekit
from edgekit import Preprocess
from edgekit.artifact.info import parse_info, read_model
from edgekit.bundle.contents import Bundle, BundledModel, write_contents
from edgekit.bundle.phone_bundles import write_android, write_ios
from edgekit.files import sha256
from edgekit.hub.built_in import built_in_models
from edgekit.image.color_modes import to_color
from edgekit.preprocess.scores import best, sigmoid, softmax, with_temperature

TESTS = Path(__file__).parents[1]
SOURCES = Path(edgekit.__file__).parent / "bundle"
COMPILER = TESTS / "javascript/node_modules/kotlin-compiler"
JSON_JAR = Path("/usr/share/java/com.android.json.jar")  # Debian: libandroid-json-java
PORT = ("Preprocess", "Scores", "Orientation")
MODEL = "mobilenet_v2-cifar10-int8"

needs_kotlin = pytest.mark.skipif(
    not (COMPILER.is_dir() and shutil.which("java")), reason="needs Java, and npm install in tests/javascript"
)
needs_json = pytest.mark.skipif(not JSON_JAR.exists(), reason="needs libandroid-json-java")


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> list[Path]:
    """The class path of the compiled Kotlin files."""
    folder = tmp_path_factory.mktemp("classes")
    files = [SOURCES / "android/kotlin" / f"{name}.kt" for name in PORT] + [TESTS / "bundle/kotlin/PortCheck.kt"]
    if JSON_JAR.exists():
        files += [SOURCES / "android/kotlin" / f"{name}.kt" for name in ("Classifier", "SelfTest")]
        files += [TESTS / "bundle/kotlin" / f"{name}.kt" for name in ("OnnxRuntime", "SelfTestCheck")]
    command = ["bash", COMPILER / "bin/kotlinc", *files, "-classpath", JSON_JAR, "-no-reflect", "-Werror", "-d", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [folder, COMPILER / "lib/kotlin-stdlib.jar", JSON_JAR]


def run_java(classes: list[Path], program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "NETWORK_PROGRAM": str(TESTS / "bundle/kotlin/network.py")}
    command = ["java", "-cp", os.pathsep.join(map(str, classes)), program, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def run_port(classes, tmp_path) -> Callable[..., bytes]:
    """Return a function that runs the port on cases, lines of words, and their images, and returns its results."""

    def run(kind: str, cases: Iterable[str], images: Iterable[np.ndarray] = ()) -> bytes:
        (tmp_path / "cases").write_text("".join(f"{case}\n" for case in cases))
        (tmp_path / "images").write_bytes(b"".join(image.tobytes() for image in images))
        paths = [tmp_path / name for name in ("cases", "images", "results")]
        done = run_java(classes, "PortCheckKt", kind, *paths)
        assert done.returncode == 0, done.stderr
        return paths[-1].read_bytes()

    return run


def words(values: object) -> str:
    return ",".join(map(str, values)) if isinstance(values, tuple) else str(values)


def case(kind: str, image: np.ndarray, spec: Preprocess) -> str:
    values = (spec.color, spec.fit, spec.resize, spec.pad, spec.fill, spec.crop, spec.offset, spec.interpolation)
    return " ".join([kind, *map(str, image.shape[:2]), *map(words, values), spec.resampler])


def assert_same_pixels(results: bytes, cases: list[str], expected: list[np.ndarray]) -> None:
    assert len(results) == sum(pixels.size for pixels in expected)
    position = 0
    for description, pixels in zip(cases, expected, strict=True):
        assert results[position : position + pixels.size] == pixels.tobytes(), description
        position += pixels.size


@needs_kotlin
def test_kotlin_preprocessing_equals_python_byte_for_byte(run_port):
    pairs = random_cases(6000 if settings.get_current_profile_name() == "long" else 600)
    cases = [case("plain", image, spec) for spec, image in pairs]
    expected = [spec.pixels(Image.fromarray(image)) for spec, image in pairs]
    assert_same_pixels(run_port("preprocess", cases, [image for _, image in pairs]), cases, expected)


@needs_kotlin
@pytest.mark.parametrize("color", ["RGB", "L"])
def test_kotlin_preprocessing_composites_transparent_pixels_on_white(run_port, color):
    rng = np.random.default_rng(1)
    spec = Preprocess(color=color, resize=30, crop=24, mean=0.5, std=0.5)
    images = [rng.integers(0, 256, (*rng.integers(20, 90, 2), 4), np.uint8) for _ in range(20)]
    expected = [spec.pixels(to_color(Image.fromarray(image, "RGBA"), color)) for image in images]
    cases = [case("RGBA", image, spec) for image in images]
    assert_same_pixels(run_port("preprocess", cases, images), cases, expected)


@needs_kotlin
def test_kotlin_orientation_equals_pillow(run_port):
    image = np.random.default_rng(3).integers(0, 256, (5, 7, 4), np.uint8)
    expected = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        Image.fromarray(image, "RGBA").save(file, "PNG", exif=exif)
        upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
        expected.append(bytes(upright.shape[:2]) + upright.tobytes())
    cases = [f"5 7 {orientation}" for orientation in range(1, 9)]
    assert run_port("upright", cases, [image] * 8) == b"".join(expected)


@needs_kotlin
def test_kotlin_scores_equal_python(run_port):
    rng = np.random.default_rng(4)
    rows = [rng.normal(0, 8, 30).astype(np.float32) for _ in range(40)]
    rows[0][:] = rows[0][0]  # ties: the lower index comes first
    rows[1][3] = 200
    limits = rng.uniform(0.1, 0.9, 30)
    cases, expected = [], []
    for row, temperature in zip(rows, rng.uniform(0.5, 3, 40), strict=True):
        logits = ",".join(str(value) for value in row)
        cases += [f"{temperature} - {logits}", f"1 {','.join(map(str, limits))} {logits}"]
        expected += [(with_temperature(softmax(row), temperature), row, None), (sigmoid(row), row, limits)]
    lines = run_port("scores", cases).decode().splitlines()
    for line, (probabilities, row, thresholds) in zip(lines, expected, strict=True):
        scores = [score.split(" ", 3) for score in line.split(";")]
        labels = tuple(f"label {index}" for index in range(30))
        top = best(probabilities, labels, len(scores), tie_breaker=row)
        assert [int(index) for index, *_ in scores] == [one.index for one in top]
        assert [label for *_, label in scores] == [one.label for one in top]
        np.testing.assert_allclose(
            [float(p) for _, p, *_ in scores], [one.probability for one in top], rtol=1e-9, atol=1e-300
        )
        assigned = [
            rank == 0 if thresholds is None else one.probability > thresholds[one.index] for rank, one in enumerate(top)
        ]
        assert [word == "true" for _, _, word, _ in scores] == assigned


def bundled(path: Path, folder: Path, platform: str) -> Path:
    """Bundle a model, without the frame of write_bundle."""
    data = read_model(path)
    model = BundledModel(name=path.stem, data=data, info=parse_info(data, name=path.name))
    folder.mkdir()
    bundle = Bundle(models=(model,), folder=folder, platform=platform)
    write_contents(bundle, images=None, count=8)
    write = write_android if platform == "android" else write_ios
    assert write(bundle, runtime=None) == "run its self-test in an app, as FOLDER/README.md describes"
    return folder


def write_decoded(folder: Path, golden: dict[str, object]) -> Path:
    """Decode the JPEGs of a bundle for SelfTestCheck, which turns them by their EXIF orientation itself."""
    target = folder.parent / "decoded"
    target.mkdir()
    for vector in golden["vectors"]:
        content = (folder / vector["jpeg"]["file"]).read_bytes()
        image = Image.open(io.BytesIO(content))
        header = struct.pack(">3i", image.height, image.width, image.getexif().get(0x0112, 1))
        (target / sha256(content)).write_bytes(header + image.convert("RGBA").tobytes())
    return target


def self_test(classes: list[Path], folder: Path, name: str, decoded: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit status, and whether each stage passed, with its text."""
    done = run_java(classes, "SelfTestCheckKt", folder, name, decoded)
    assert not done.stderr, done.stderr
    stages = [line.split("|") for line in done.stdout.splitlines()]
    return done.returncode, {name: (passed, text) for name, passed, text in stages}


@needs_kotlin
@needs_json
@pytest.mark.parametrize("name", [MODEL, "lenet5-mnist"])
def test_kotlin_self_test_passes_with_the_ort_file(classes, tmp_path, name):
    folder = bundled(built_in_models()[name], tmp_path / "bundle", "android")
    golden = json.loads((folder / f"{name}.golden.json").read_text())
    status, stages = self_test(classes, folder, name, write_decoded(folder, golden))
    assert {name: passed for name, (passed, _) in stages.items()} == dict.fromkeys(
        ("decoding", "preprocessing", "network", "labels"), "true"
    ), stages
    assert status == 0
    assert stages["preprocessing"][1] == "8 of 8 crops equal byte for byte"


@needs_kotlin
@needs_json
def test_kotlin_self_test_names_what_differs(classes, tmp_path):
    folder = bundled(built_in_models()[MODEL], tmp_path / "bundle", "android")
    path = folder / f"{MODEL}.golden.json"
    golden = json.loads(path.read_text())
    decoded, vectors = write_decoded(folder, golden), golden["vectors"]
    vectors[0]["decoded"]["sha256"] = "0" * 64
    vectors[1]["logits"][0] += 10
    first, last = int(np.argmax(vectors[2]["logits"])), int(np.argmin(vectors[2]["logits"]))
    vectors[2]["top"][0]["index"] = last
    assert first != last
    path.write_text(json.dumps(golden))
    status, stages = self_test(classes, folder, MODEL, decoded)
    names = [vector["image"] for vector in vectors]
    assert status == 1
    assert stages["decoding"] == ("false", f"7 of 8 images decoded byte for byte; different: {names[0]}")
    assert stages["preprocessing"] == (
        "true",
        "7 of 7 crops equal byte for byte (1 not judged, because they decode differently)",
    )
    assert stages["network"][1].startswith(
        f"7 of 8 crops within the tolerance of the logits; different: {names[1]}; largest difference 10"
    )
    assert stages["labels"][0] == "false"
    assert names[2] in stages["labels"][1]


@needs_kotlin
@needs_json
def test_kotlin_self_test_names_damaged_files(classes, tmp_path):
    folder = bundled(built_in_models()[MODEL], tmp_path / "bundle", "android")
    golden = json.loads((folder / f"{MODEL}.golden.json").read_text())
    decoded, pixels = write_decoded(folder, golden), folder / f"{MODEL}.golden.bin"
    content = bytearray(pixels.read_bytes())
    content[golden["vectors"][3]["offset"]] ^= 255
    pixels.write_bytes(content)
    status, stages = self_test(classes, folder, MODEL, decoded)
    assert (status, stages["decoding"]) == (1, ("false", f"files of {golden['vectors'][3]['image']} are damaged"))


@pytest.mark.parametrize(("platform", "suffix"), [("android", "kt"), ("ios", "swift")])
def test_phone_bundles_contain_the_model_and_the_sources(tmp_path, platform, suffix):
    folder = bundled(write_tiny(tmp_path / "tiny.onnx"), tmp_path / "bundle", platform)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    language = "kotlin" if suffix == "kt" else "swift"
    sources = {f"{language}/{name}.{suffix}" for name in (*PORT, "Classifier", "Decode", "SelfTest")}
    assert {file for file in files if file.startswith(language)} == sources
    assert {"tiny.ort", "tiny.required_operators.config", "tiny.json", "tiny.golden.json", "LICENSE.txt"} <= files
    readme = (folder / "README.md").read_text()
    assert "not compiled, not run by us" in readme
    runtime = json.loads((folder / "bundle.json").read_text())["runtime"]
    package = "onnxruntime-android" if platform == "android" else "onnxruntime-objc"
    assert runtime == {"name": package, "version": ort.__version__}  # which wrote the .ort file
    assert re.search(rf'{package}(:|", "){re.escape(ort.__version__)}"', readme)


FUNCTION = re.compile(r"^(?:export |private )?(?:function|fun|func) (\w+)", re.MULTILINE)
LANGUAGES = {"web": "web/js/{}.js", "android": "android/kotlin/{}.kt", "ios": "ios/swift/{}.swift"}


def functions(platform: str, name: str) -> list[str]:
    file = name.lower() if platform == "web" else name
    return FUNCTION.findall((SOURCES / LANGUAGES[platform].format(file)).read_text())


@pytest.mark.parametrize(("name", "platforms"), [("Preprocess", LANGUAGES), ("Scores", LANGUAGES)])
def test_ports_have_the_same_functions_in_the_same_order(name, platforms):
    lists = [functions(platform, name) for platform in platforms]
    assert lists[0]
    assert all(names == lists[0] for names in lists)


@pytest.mark.parametrize("name", ["Orientation", "Classifier", "SelfTest"])
def test_swift_has_the_functions_of_kotlin_in_the_same_order(name):
    kotlin, swift = functions("android", name), functions("ios", name)
    shared = [function for function in kotlin if function != "integers"]  # Swift converts arrays by itself
    assert shared
    assert [function for function in swift if function in shared] == shared


def numbers(platform: str) -> list[float]:
    """The numbers of a preprocessing file, without comments and the notation of its language."""
    text = (SOURCES / LANGUAGES[platform].format("preprocess" if platform == "web" else "Preprocess")).read_text()
    code = re.sub(r"//.*", "", text)
    return sorted({float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", code)})


def test_ports_have_the_same_constants():
    assert numbers("android") == numbers("ios")


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_preprocessing_sources_import_nothing_of_the_platform(platform):
    text = (SOURCES / LANGUAGES[platform].format("Preprocess")).read_text()
    imports = re.findall(r"^import (\S+)", text, re.MULTILINE)
    assert all(name.startswith("kotlin.math.") or name == "Foundation" for name in imports)
