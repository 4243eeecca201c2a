"""What `edgekit predict` does, however its options were read."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from functools import partial
from io import BytesIO
from itertools import chain, islice, tee
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from edgekit.cli.predict.options import Options
from edgekit.cli.predict.output import Style, csv_lines, document, json_lines, lines, text_lines
from edgekit.cli.render import say
from edgekit.errors import EXIT_SOME_FAILED, ImageError, SpecError
from edgekit.hub.shipped import DEFAULT_MODEL, model_path
from edgekit.image.load import DEFAULT_LIMITS, ImageLimits, load_image
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.bulk import answer_of, answers
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.cpu import available_threads, overflow_warning
from edgekit.runtime.image_sources import STDIN, Input, inputs, read_list
from edgekit.runtime.prediction import Prediction
from edgekit.runtime.predictor import Predictor

if TYPE_CHECKING:
    from edgekit.cli.predict.annotate import DrawnPictures
    from edgekit.cli.predict.output import Show
    from edgekit.cli.predict.resume import Journal

    Answers: TypeAlias = Generator[tuple[Input, Prediction | ImageError], None, None]


def predict(options: Options) -> None:
    """Answer every picture in its turn. Ends the process with exit code 3 where some failed."""
    _check(options)
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of broken files goes to stderr
    names = [*options.pictures, *(read_list(options.list, stdin=sys.stdin.buffer) if options.list else ())]
    with ExitStack() as stack:
        journal = stack.enter_context(_journal(options)) if options.resume else None
        folder = _folder(options)
        found = _found(names, options)
        if journal is not None:
            found = filter(journal.is_new, found)
        first = list(islice(found, 2))
        if journal is None and len(first) == 1:
            answered = _one(first[0], options)
        else:
            step = stack.enter_context(_progress(names, options, journal))
            answered = _many(chain(first, found), options, step)
        failed = _show_all(stack.enter_context(closing(answered)), _show(options, journal), folder, options)
    if journal is not None:
        say(f"{options.resume}: {journal.answered} pictures answered, {journal.failed} failed")
    if failed or (journal is not None and journal.failed):
        sys.exit(EXIT_SOME_FAILED)


def _check(options: Options) -> None:
    """Raises SpecError for what does not go together."""
    if not options.pictures and options.list is None:
        raise SpecError("no pictures; name files, folders or addresses, or give a --list of them")
    if options.json + options.csv + (options.resume is not None) > 1:
        raise SpecError("answers are written in one form: leave out all but one of --json, --csv and --resume")


def _found(names: list[str], options: Options) -> Iterator[Input]:
    stdin: IO[bytes] = sys.stdin.buffer
    if options.save and STDIN in names:  # it is read once more to be drawn on
        stdin = BytesIO(stdin.read(_limits(options).max_bytes + 1))
    return inputs(names, stdin=stdin, timeout_s=options.timeout, skipped=options.save)


def _one(picture: Input, options: Options) -> Answers:
    """One picture with all threads."""
    with _opened(options, threads=options.threads) as classifier:
        yield picture, answer_of(_asking(classifier, options, top=options.top or 5), picture.source)


def _many(found: Iterator[Input], options: Options, step: Callable[[], None]) -> Answers:
    """Many pictures, each with one thread."""
    shown, begun = tee(found)
    with _opened(options, threads=1) as classifier:
        ask = _asking(classifier, options, top=options.top or 1)
        sources = (picture.source for picture in begun)
        with closing(answers(ask, sources, workers=options.threads or available_threads())) as answered:
            for pair in zip(shown, answered, strict=True):
                yield pair
                step()


def _opened(options: Options, *, threads: int | None) -> Predictor:
    """The model, or the ensemble of several."""
    members = [_member(model, options, threads) for model in _models(options)]
    if len(members) == 1 and options.weights is None:
        return members[0]
    from edgekit.runtime.ensemble import Ensemble  # here, as what else is seldom wanted

    return Ensemble(members, weights=None if options.weights is None else _weights(options.weights))


def _weights(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SpecError(f"--weights {text!r:.60}: write a number for each model, with commas between: 2,1") from None


def _models(options: Options) -> tuple[str, ...]:
    return options.model or (DEFAULT_MODEL,)


def _member(model: str, options: Options, threads: int | None) -> Classifier:
    classifier = Classifier(
        model,
        threads=threads,
        limits=_limits(options),
        exact=options.exact,
        provider=options.provider,
        trusted=options.trusted,
    )
    for warning in (classifier.info.warning, overflow_warning(classifier.info.target)):
        if warning:
            say(f"warning: {classifier.path.name}: {warning}")
    return classifier


def _asking(predictor: Predictor, options: Options, *, top: int) -> Callable[[ImageSource], Prediction]:
    """The function that predicts one image."""
    return partial(
        predictor.predict,
        top=top,
        plan=options.crops,
        budget=options.budget,
        average=cast(Average, options.average),  # predict checks whether it is one
        unknown_below=options.unknown_below,
    )


def _limits(options: Options) -> ImageLimits:
    return ImageLimits(
        max_bytes=options.max_bytes or DEFAULT_LIMITS.max_bytes,
        max_pixels=options.max_pixels or DEFAULT_LIMITS.max_pixels,
    )


def _style(options: Options) -> Style:
    return Style(logits=options.logits, short_names=options.short_names)


def _show(options: Options, journal: Journal | None) -> Show:
    style = _style(options)
    if journal is not None:
        return lambda name, answer: journal.write(document(name, answer, style))
    form = json_lines if options.json else csv_lines if options.csv else text_lines
    return form(style)


def _show_all(answered: Answers, show: Show, folder: DrawnPictures | None, options: Options) -> bool:
    """Write every answer as it comes; whether something failed."""
    failed = False
    for picture, answer in answered:
        show(picture.name, answer)
        if isinstance(answer, ImageError):
            failed = True
        elif folder is not None:
            failed |= not _save(picture, lines(answer, _style(options)), folder, options)
    return failed


def _save(picture: Input, text: list[str], folder: DrawnPictures, options: Options) -> bool:
    """Write the picture with the text drawn on; whether it could be read once more."""
    name, source = picture
    if isinstance(source, BytesIO):
        source.seek(0)
    try:
        if isinstance(source, ImageError):
            raise source
        folder.save(name, load_image(source, limits=_limits(options)).pixels, text)
    except ImageError as error:
        say(f"error: {error}")
        return False
    return True


def _folder(options: Options) -> DrawnPictures | None:
    if options.save is None:
        return None
    from edgekit.cli.predict.annotate import DrawnPictures  # here, as what else is seldom wanted

    return DrawnPictures(options.save)


def _journal(options: Options) -> Journal:
    """The file to go on with. Its answers depend on the model's bytes and on every option but the neutral ones."""
    from edgekit.artifact.info import read_model
    from edgekit.cli.predict.resume import Journal
    from edgekit.files import sha256

    neutral = {"pictures", "list", "model", "threads", "save", "resume", "timeout"}
    relevant = {name: value for name, value in options._asdict().items() if name not in neutral}
    models = [sha256(read_model(model_path(model))) for model in _models(options)]
    return Journal(options.resume or "", sha256(f"{models} {relevant}".encode())[:16])


def _progress(
    names: list[str], options: Options, journal: Journal | None
) -> AbstractContextManager[Callable[[], None]]:
    """A bar where stderr is a terminal that the answers do not run over."""
    if not sys.stderr.isatty() or (journal is None and sys.stdout.isatty()):
        return nullcontext(lambda: None)
    from edgekit.cli.progress import progress_bar

    total = sum(1 for _ in inputs(names, stdin=sys.stdin.buffer, skipped=options.save))
    return progress_bar("predicting", total - (journal.answered if journal is not None else 0))
