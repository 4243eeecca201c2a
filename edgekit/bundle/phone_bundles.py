"""Bundles for phones: the model in onnxruntime's own format, and a classifier in Kotlin or Swift with a self-test."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

from edgekit.bundle.contents import Bundle

_ANDROID = """# {name} for Android

An image classifier in Kotlin: {network}, {labels} labels, {precision}. To use it in an app (API level 26 or later):

1. Copy kotlin/ to app/src/main/java/edgekit/, and {name}.json and {name}.ort to app/src/main/assets/.
2. Add `implementation("com.microsoft.onnxruntime:{package}:{version}")` to the dependencies: this version of
   onnxruntime wrote {name}.ort; a later one reads it too.
3. Classify the content of an image file (of a multi-label model, the image has the labels that are `assigned`):

       val read = {{ file: String -> assets.open(file).use {{ it.readBytes() }} }}
       val classifier = Classifier("{name}", read)
       for (score in classifier.predict(decodeImage(photo)).take(5)) println("${{score.label}} ${{score.probability}}")

4. Once, with {name}.golden.json, {name}.golden.bin and golden/ among the assets too, run the self-test on the phone:

       selfTest("{name}", classifier, read, ::decodeImage) {{ println("${{it.passed}} ${{it.name}}: ${{it.text}}") }}

{operators}

{name}.onnx is not needed on the phone. Our tests compile and run the Kotlin files, with a stand-in for
onnxruntime-android; except Decode.kt, which needs Android itself: it is not compiled, not run by us.
"""
_IOS = """# {name} for iOS

An image classifier in Swift: {network}, {labels} labels, {precision}. To use it in an app:

1. Add swift/ to the target, and {name}.json and {name}.ort to its resources.
2. Add `pod "{package}", "{version}"` to the Podfile, which brings onnxruntime-c: this version of onnxruntime
   wrote {name}.ort; a later one reads it too.
3. Classify the content of an image file (of a multi-label model, the image has the labels that are `assigned`):

       let classifier = try Classifier("{name}", Bundle.main.bundleURL)
       for score in try classifier.predict(decodeImage(photo)).prefix(5) {{ print(score.label, score.probability) }}

4. Once, with {name}.golden.json, {name}.golden.bin and the folder golden among the resources too (as a folder
   reference), run the self-test on the phone:

       try selfTest("{name}", classifier, Bundle.main.bundleURL) {{ print($0.passed, $0.name, $0.text) }}

{operators}

{name}.onnx is not needed on the phone. The Swift files are not compiled, not run by us: they follow the Kotlin files of
the bundle for Android line by line, which our tests compile and run. Rely on the self-test.
"""
_OPERATORS = """To make the app smaller, build onnxruntime yourself with the options `--minimal_build extended` and
`--include_ops_by_config {name}.required_operators.config`: it then contains only the operators of this model."""


def write_android(bundle: Bundle, *, runtime: Path | None) -> str:
    """Write the Kotlin sources and the README of a bundle for Android.

    Args:
        bundle: its common contents are written, with the model as .ort.
        runtime: not used: Gradle fetches it.

    Returns:
        How to run the self-test.
    """
    del runtime
    return _write_phone(bundle, _ANDROID, package="onnxruntime-android")


def write_ios(bundle: Bundle, *, runtime: Path | None) -> str:
    """Write the Swift sources and the README of a bundle for iOS.

    Args:
        bundle: its common contents are written, with the model as .ort.
        runtime: not used: CocoaPods fetches it.

    Returns:
        How to run the self-test.
    """
    del runtime
    return _write_phone(bundle, _IOS, package="onnxruntime-objc")


def _write_phone(bundle: Bundle, readme: str, *, package: str) -> str:
    name, info = bundle.model.name, bundle.model.info
    bundle.copy_sources(bundle.platform)
    bundle.set_runtime(package, ort.__version__)
    text = readme.format(
        name=name,
        network=info.model,
        labels=len(info.labels),
        precision=info.precision,
        package=package,
        version=ort.__version__,
        operators=_OPERATORS.format(name=name),
    )
    bundle.write("README.md", text)
    return "run its self-test in an app, as FOLDER/README.md describes"
