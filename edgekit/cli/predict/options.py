"""What `edgekit predict` accepts: the one place where each of its options is declared.

Read by typer for help and errors, and by `fast_parser` otherwise, so nothing slow is imported here.
"""

from typing import Annotated, NamedTuple

from edgekit.cli.options import Argument, Option


class Options(NamedTuple):
    """The values of the command line; options that are not given have their defaults."""

    images: Annotated[
        tuple[str, ...],
        Argument(
            "Image files, folders, patterns like '**/*.jpg' or URLs; - reads one image from stdin.",
            metavar="IMAGE...",
            default_text="those of --list",
        ),
    ] = ()
    list: Annotated[
        str | None,
        Option(
            "Text file of images, one per line or NUL-separated (find -print0); - reads it from stdin.",
            metavar="FILE",
            default_text="none",
        ),
    ] = None
    model: Annotated[
        tuple[str, ...],
        Option(
            "Model file (.onnx) or name from `edgekit models`. Repeat to average several models.",
            default_text="EDGEKIT_MODEL, or as marked by `edgekit models`",
        ),
    ] = ()
    model_weights: Annotated[
        str | None,
        Option(
            "Comma-separated weight of each --model in the average, e.g. 2,1.",
            metavar="W,...",
            default_text="equal",
            argument="weights",
        ),
    ] = None
    top: Annotated[
        int | None,
        Option(
            "Number of classes to show.",
            least=1,
            default_text="5 for one image, 1 for many; of a multi-label model, all above their thresholds",
        ),
    ] = None
    crops: Annotated[
        str,
        Option(
            "Views of the image to average: 1 (center), 2 (flip), 5 (five), 10 (ten), grid:RxC, multi-scale, wide, "
            "whole, or adaptive if fitted with `edgekit crops`.",
            metavar="PLAN",
            argument="plan",
        ),
    ] = "1"
    budget: Annotated[
        float | None,
        Option("With --crops adaptive: mean number of views per image.", least=1, default_text="the model file's"),
    ] = None
    average: Annotated[
        str,
        Option("Scores to average over views and models: probabilities or logits.", metavar="SCORES"),
    ] = "probabilities"
    unknown_below: Annotated[
        float,
        Option("Print unknown if no class reaches this probability, from 0 to 1.", least=0),
    ] = 0.0
    exact: Annotated[
        bool,
        Option("Decode and resize the full image exactly as in training (slower, marginally more accurate)."),
    ] = False
    threads: Annotated[
        int | None,
        Option(
            "CPU threads; for several images, how many are processed in parallel.",
            least=1,
            default_text="all available cores",
        ),
    ] = None
    provider: Annotated[
        str | None,
        Option("Execution provider of ONNX Runtime, e.g. cuda.", default_text="cpu"),
    ] = None
    trusted: Annotated[
        bool, Option("Allow .ort files, which cannot be inspected before loading. Use only for files you created.")
    ] = False
    json: Annotated[bool, Option("Print one JSON line per image.")] = False
    csv: Annotated[bool, Option("Print CSV, one line per class shown.")] = False
    logits: Annotated[bool, Option("Show raw logits instead of probabilities.")] = False
    short_names: Annotated[
        bool, Option("Shorten labels such as 'tench, Tinca tinca' to the part before the comma.")
    ] = False
    save: Annotated[
        str | None,
        Option(
            "Folder for copies of the images with their labels drawn on; existing files are kept.",
            metavar="FOLDER",
            default_text="none",
        ),
    ] = None
    resume: Annotated[
        str | None,
        Option(
            "Append results to this JSON Lines file and skip images it already contains.",
            metavar="FILE",
            default_text="none",
        ),
    ] = None
    output: Annotated[
        str | None,
        Option(
            "Folder of part files for the results of any number of images, NAME.parquet or NAME.jsonl; the images may "
            "also be in tar or Parquet shards and in object stores. The same command continues an interrupted job.",
            metavar="FOLDER",
            flags=("--output", "-o"),
            default_text="none",
        ),
    ] = None
    shard_size: Annotated[
        int | None,
        Option(
            "With --output: number of image files in a part. Tar and Parquet shards have a part each.",
            least=1,
            most=1_000_000,
            default_text="1000",
        ),
    ] = None
    image_column: Annotated[
        str | None,
        Option(
            "With --output: column of the images in Parquet shards.",
            metavar="COLUMN",
            default_text="the only one that can be it",
        ),
    ] = None
    key_column: Annotated[
        str | None,
        Option(
            "With --output: column of the images' names in Parquet shards.",
            metavar="COLUMN",
            default_text="__key__ or key, else the path of the image, else its row",
        ),
    ] = None
    engine: Annotated[
        str | None,
        Option(
            "With --output: what predicts: local, or the engine of a cluster: ray or daft (pip install ray or daft).",
            default_text="local",
        ),
    ] = None
    address: Annotated[
        str | None,
        Option(
            "With --engine: address of the Ray cluster, such as auto or HOST:6379; Daft runs on Ray, too.",
            metavar="ADDRESS",
            default_text="RAY_ADDRESS for ray; otherwise this machine",
        ),
    ] = None
    max_pixels: Annotated[
        int | None, Option("Largest height x width of an image, in pixels.", least=1, default_text="50 million")
    ] = None
    max_bytes: Annotated[
        int | None, Option("Largest size of an image file, in bytes.", least=1, default_text="64 MiB")
    ] = None
    timeout: Annotated[
        float | None,
        Option("Timeout for downloading one image, in seconds.", metavar="SECONDS", least=0, default_text="30"),
    ] = None
