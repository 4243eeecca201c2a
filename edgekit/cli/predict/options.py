"""What `edgekit predict` accepts: the one place where each of its options is declared.

Read by typer for help and errors, and by `fast_parser` otherwise: nothing is imported here that takes time.
"""

from typing import Annotated, NamedTuple

from edgekit.cli.options import Argument, Option


class Options(NamedTuple):
    """The values of a command line, or the defaults."""

    images: Annotated[
        tuple[str, ...],
        Argument("Image files, folders of them, patterns like '**/*.jpg', http(s) addresses; - reads one from stdin."),
    ] = ()
    list: Annotated[
        str | None,
        Option("A text file with such names, one a line (or find -print0's); - reads it from stdin."),
    ] = None
    model: Annotated[
        tuple[str, ...],
        Option(
            "An .onnx file made by edgekit, or the name of a shipped model. Of several the mean counts.",
            default_text="mobilenet_v2-cifar10-int8",
        ),
    ] = ()
    model_weights: Annotated[
        str | None,
        Option("With several models, the weight of each in the average: 2,1.", default_text="all the same"),
    ] = None
    top: Annotated[
        int | None,
        Option("Classes to show: 5 for one image, 1 for several, unless said.", least=1),
    ] = None
    crops: Annotated[
        str,
        Option(
            "Views averaged: 1 (center), 2 (flip), 5 (five), 10 (ten), grid:RxC, multi-scale, wide, whole, or "
            "adaptive, where `edgekit crops` has fitted it."
        ),
    ] = "1"
    budget: Annotated[
        float | None,
        Option("Views that --crops adaptive may take, in the mean.", least=1, default_text="the file's"),
    ] = None
    average: Annotated[
        str,
        Option("What is averaged over views and models: probabilities or logits."),
    ] = "probabilities"
    unknown_below: Annotated[
        float, Option("Answer unknown where no class is as probable as this, 0 to 1.", least=0)
    ] = 0.0
    exact: Annotated[
        bool, Option("Decode and resize all of every image, as training does: slower, a hair more exact.")
    ] = False
    threads: Annotated[
        int | None,
        Option("CPU threads; of several images, how many at once.", least=1, default_text="the cores there are"),
    ] = None
    provider: Annotated[
        str | None,
        Option("onnxruntime's execution provider, such as cuda.", default_text="cpu"),
    ] = None
    trusted: Annotated[bool, Option("Load an .ort file, which cannot be looked through, because you made it.")] = False
    json: Annotated[bool, Option("One JSON line for each image.")] = False
    csv: Annotated[bool, Option("CSV with one line for each class shown.")] = False
    logits: Annotated[bool, Option("The network's own figures instead of probabilities.")] = False
    short_names: Annotated[bool, Option("Of names like 'tench, Tinca tinca' only the first.")] = False
    save: Annotated[
        str | None,
        Option("A folder to write the images to with their labels drawn on; nothing there is replaced."),
    ] = None
    resume: Annotated[
        str | None,
        Option("A file of JSON lines to write to, going on behind the images that it answers already."),
    ] = None
    max_pixels: Annotated[
        int | None, Option("Height times width that an image may have.", least=1, default_text="50 million")
    ] = None
    max_bytes: Annotated[int | None, Option("Bytes that an image's file may have.", least=1, default_text="64 MiB")] = (
        None
    )
    timeout: Annotated[
        float | None, Option("Seconds that fetching one address may take.", least=0, default_text="30")
    ] = None
