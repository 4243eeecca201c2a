"""What `edgekit predict` does, however its options were parsed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from io import BytesIO
from itertools import chain, islice, tee
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from edgekit.cli.predict.options import Options
from edgekit.cli.predict.output import ScoreFormat, caption, csv_writer, json_record, json_writer, text_writer
from edgekit.cli.render import write_message
from edgekit.errors import EXIT_SOME_FAILED, ImageError, SpecError
from edgekit.hub.shipped import DEFAULT_MODEL, model_path
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits
from edgekit.image.load import load_image
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.bulk import predict_each, predict_or_error
from edgekit.runtime.classifier import Classifier, Predictor
from edgekit.runtime.cpu import available_threads, overflow_warning
from edgekit.runtime.image_sources import STDIN, NamedSource, find_images, read_list
from edgekit.runtime.prediction import Prediction, Request

if TYPE_CHECKING:
    from edgekit.cli.predict.annotate import AnnotatedImages
    from edgekit.cli.predict.output import ResultWriter
    from edgekit.cli.predict.resume import ResumeFile

    Results: TypeAlias = Generator[tuple[NamedSource, Prediction | ImageError], None, None]


def predict(options: Options) -> None:
    """Predict every image in order. Ends the process with exit code 3 if some of them failed."""
    _check_options(options)
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of broken files goes to stderr
    names = [*options.images, *(read_list(options.list, stdin=sys.stdin.buffer) if options.list else ())]
    with ExitStack() as stack:
        resume_file = stack.enter_context(_open_resume_file(options)) if options.resume else None
        folder = _annotated_images(options)
        images = _images(names, options)
        if resume_file is not None:
            images = filter(resume_file.is_missing, images)
        first_two = list(islice(images, 2))
        if resume_file is None and len(first_two) == 1:
            results = _predict_one(first_two[0], options)
        else:
            advance = stack.enter_context(_progress(names, options, resume_file=resume_file))
            results = _predict_many(chain(first_two, images), options, advance=advance)
        stack.enter_context(closing(results))
        failed = _write_results(results, _result_writer(options, resume_file), folder=folder, options=options)
    if resume_file is not None:
        write_message(f"{options.resume}: {resume_file.total} images answered, {resume_file.failed} failed")
    if failed or (resume_file is not None and resume_file.failed):
        sys.exit(EXIT_SOME_FAILED)


def _check_options(options: Options) -> None:
    """Raises SpecError for options that exclude each other."""
    if not options.images and options.list is None:
        raise SpecError("no images; name files, folders or addresses, or give a --list of them")
    if options.json + options.csv + (options.resume is not None) > 1:
        raise SpecError("answers are written in one form: leave out all but one of --json, --csv and --resume")


def _images(names: list[str], options: Options) -> Iterator[NamedSource]:
    stdin: IO[bytes] = sys.stdin.buffer
    if options.save and STDIN in names:  # it is read a second time to be annotated
        stdin = BytesIO(stdin.read(_image_limits(options).max_bytes + 1))
    return find_images(names, stdin=stdin, timeout_s=options.timeout, skipped=options.save)


def _predict_one(image: NamedSource, options: Options) -> Results:
    """One image with all threads."""
    with _open_predictor(options, threads=options.threads) as predictor:
        yield image, predict_or_error(_predict_function(predictor, options, top=options.top or 5), image.source)


def _predict_many(images: Iterator[NamedSource], options: Options, *, advance: Callable[[], None]) -> Results:
    """Many images at once, each with one thread."""
    written, predicted = tee(images)
    with _open_predictor(options, threads=1) as predictor:
        predict_image = _predict_function(predictor, options, top=options.top or 1)
        sources = (image.source for image in predicted)
        with closing(predict_each(predict_image, sources, workers=options.threads or available_threads())) as results:
            for pair in zip(written, results, strict=True):
                yield pair
                advance()


def _open_predictor(options: Options, *, threads: int | None) -> Predictor:
    """The model, or the ensemble of several."""
    classifiers = [_open_classifier(model, options, threads=threads) for model in _models(options)]
    if len(classifiers) == 1 and options.model_weights is None:
        return classifiers[0]
    from edgekit.runtime.ensemble import Ensemble  # here, because most predictions need none

    weights = None if options.model_weights is None else _parse_model_weights(options.model_weights)
    return Ensemble(classifiers, weights=weights)


def _parse_model_weights(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SpecError(
            f"--model-weights {text!r:.60}: write a number for each model, with commas between: 2,1"
        ) from None


def _models(options: Options) -> tuple[str, ...]:
    return options.model or (DEFAULT_MODEL,)


def _open_classifier(model: str, options: Options, *, threads: int | None) -> Classifier:
    classifier = Classifier(
        model,
        threads=threads,
        limits=_image_limits(options),
        exact=options.exact,
        provider=options.provider,
        trusted=options.trusted,
    )
    for warning in (classifier.info.warning, overflow_warning(classifier.info.target)):
        if warning:
            write_message(f"warning: {classifier.path.name}: {warning}")
    return classifier


def _predict_function(predictor: Predictor, options: Options, *, top: int) -> Callable[[ImageSource], Prediction]:
    """The function that predicts one image. Raises SpecError for what cannot be asked, before any image is read."""
    request = Request(
        top=top,
        plan=options.crops,
        budget=options.budget,
        average=cast(Average, options.average),  # Request checks whether it is one
        unknown_below=options.unknown_below,
        channels="RGB",
    )
    return lambda source: predictor.predict_request(source, request)


def _image_limits(options: Options) -> ImageLimits:
    return ImageLimits(
        max_bytes=options.max_bytes or DEFAULT_LIMITS.max_bytes,
        max_pixels=options.max_pixels or DEFAULT_LIMITS.max_pixels,
    )


def _score_format(options: Options) -> ScoreFormat:
    return ScoreFormat(logits=options.logits, short_names=options.short_names)


def _result_writer(options: Options, resume_file: ResumeFile | None) -> ResultWriter:
    score_format = _score_format(options)
    if resume_file is not None:
        return lambda name, result: resume_file.write(json_record(name, result, score_format))
    writer = json_writer if options.json else csv_writer if options.csv else text_writer
    return writer(score_format)


def _write_results(
    results: Results, write_result: ResultWriter, *, folder: AnnotatedImages | None, options: Options
) -> bool:
    """Write every result as it comes; whether some image failed."""
    failed = False
    for image, result in results:
        write_result(image.name, result)
        if isinstance(result, ImageError):
            failed = True
        elif folder is not None:
            lines = caption(result, _score_format(options))
            failed |= not _save_annotated(image, lines, folder=folder, limits=_image_limits(options))
    return failed


def _save_annotated(image: NamedSource, lines: list[str], *, folder: AnnotatedImages, limits: ImageLimits) -> bool:
    """Write the image with the lines drawn on; whether it could be read a second time."""
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
    """The file, whose settings are the bytes of the models and every option that changes a prediction."""
    from edgekit.artifact.info import read_model
    from edgekit.cli.predict.resume import ResumeFile
    from edgekit.files import sha256

    models = [sha256(read_model(model_path(model))) for model in _models(options)]
    left_out = {"images", "list", "model", "model_weights", "threads", "save", "resume", "timeout"}
    settings: dict[str, object] = {"weights": options.model_weights}  # its former name: older files can be resumed
    settings |= {name: value for name, value in options._asdict().items() if name not in left_out}
    return ResumeFile(options.resume or "", sha256(f"{models} {settings}".encode())[:16])


def _progress(
    names: list[str], options: Options, *, resume_file: ResumeFile | None
) -> AbstractContextManager[Callable[[], None]]:
    """A bar if stderr is a terminal on which no results are written."""
    if not sys.stderr.isatty() or (resume_file is None and sys.stdout.isatty()):
        return nullcontext(lambda: None)
    from edgekit.cli.progress import progress_bar

    total = sum(1 for _ in find_images(names, stdin=sys.stdin.buffer, skipped=options.save))
    return progress_bar("predicting", total - (resume_file.total if resume_file is not None else 0))
