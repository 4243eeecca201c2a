"""What `edgekit predict` takes, as data: read by typer for help and errors, and by `lean` where there is no need of it.

Nothing is imported here that takes time. An option more is a row of OPTIONS and a field of Options.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Options(NamedTuple):
    """What was said on the command line, or the defaults."""

    pictures: tuple[str, ...] = ()
    list: str | None = None
    model: tuple[str, ...] = ()
    weights: str | None = None
    top: int | None = None
    crops: str = "1"
    budget: float | None = None
    average: str = "probabilities"
    unknown_below: float = 0.0
    exact: bool = False
    threads: int | None = None
    provider: str | None = None
    trusted: bool = False
    json: bool = False
    csv: bool = False
    logits: bool = False
    short_names: bool = False
    save: str | None = None
    resume: str | None = None
    max_pixels: int | None = None
    max_bytes: int | None = None
    timeout: float | None = None


class Option(NamedTuple):
    """One option: its field of Options, its value's kind, its help, what help shows as default, and the least value.

    repeated: it may be given several times, and its field is a tuple.
    """

    field: str
    kind: type
    help: str
    default: str | None = None
    least: int | None = None
    repeated: bool = False

    @property
    def flag(self) -> str:
        """As it is written on a command line."""
        return "--" + self.field.replace("_", "-")


PICTURES_HELP = "Picture files, folders of them, patterns like '**/*.jpg', http(s) addresses; - reads one from stdin."

OPTIONS = (
    Option("list", str, "A text file with such names, one a line (or find -print0's); - reads it from stdin."),
    Option(
        "model",
        str,
        "An .onnx file made by edgekit, or the name of a shipped model. Of several the mean counts.",
        default="mobilenet_v2-cifar10-int8",
        repeated=True,
    ),
    Option("weights", str, "Of several models, what each counts: 2,1.", default="all the same"),
    Option("top", int, "Classes to show: 5 for one picture, 1 for several, unless said.", least=1),
    Option(
        "crops",
        str,
        "Views averaged: 1 (center), 2 (flip), 5 (five), 10 (ten), grid:RxC, multi-scale, wide, whole, or adaptive, "
        "where `edgekit crops` has fitted it.",
    ),
    Option("budget", float, "Views that --crops adaptive may take, in the mean.", default="the file's", least=1),
    Option("average", str, "What is averaged over views and models: probabilities or logits."),
    Option("unknown_below", float, "Answer unknown where no class is as probable as this, 0 to 1.", least=0),
    Option("exact", bool, "Decode and resize all of every picture, as training does: slower, a hair more exact."),
    Option(
        "threads", int, "CPU threads; of several pictures, how many at once.", default="the cores there are", least=1
    ),
    Option("provider", str, "onnxruntime's execution provider, such as cuda.", default="cpu"),
    Option("trusted", bool, "Load an .ort file, which cannot be looked through, because you made it."),
    Option("json", bool, "One JSON line for each picture."),
    Option("csv", bool, "CSV with one line for each class shown."),
    Option("logits", bool, "The network's own figures instead of probabilities."),
    Option("short_names", bool, "Of names like 'tench, Tinca tinca' only the first."),
    Option("save", str, "A folder to write the pictures to with their labels drawn on; nothing there is replaced."),
    Option("resume", str, "A file of JSON lines to write to, going on behind the pictures that it answers already."),
    Option("max_pixels", int, "Height times width that a picture may have.", default="50 million", least=1),
    Option("max_bytes", int, "Bytes that a picture's file may have.", default="64 MiB", least=1),
    Option("timeout", float, "Seconds that fetching one address may take.", default="30", least=0),
)

DEFAULTS: dict[str, Any] = Options._field_defaults
