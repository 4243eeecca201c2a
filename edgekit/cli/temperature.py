"""What `export`, `adopt` and `quantize` have in common about temperatures and thresholds: images, and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.cli.render import percent, write, write_message

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.dataset import ImageSet


def fit_images(images: ImageSet) -> ImageSet | None:
    """Return the images that a temperature or thresholds are fitted to; print a note if there are too few."""
    from edgekit.evaluate.temperature import MIN_IMAGES, images_for_temperature

    fit = images_for_temperature(images) if images.classes else None
    if fit is None:
        found = f"{len(images)} images" if images.classes else "images without labels"
        fits = "no temperature is" if images.task == "single-label" else "no thresholds are"
        write_message(f"note: {fits} fitted: it needs {2 * MIN_IMAGES} labeled images (got {found})")
    return fit


def write_metrics(info: ArtifactInfo) -> None:
    """Print the accuracy, and the temperature or thresholds of a new model file, if it has them."""
    accuracy = accuracy_text(info)
    if accuracy:
        write(f"{' '.join(accuracy)}, from file to label")
        if choice := epoch_choice_text(info):
            write(f"epoch {choice}")
    write_temperature(info)


def accuracy_text(info: ArtifactInfo) -> tuple[str, str] | None:
    """Return the name and value of the accuracy of a model file; None if it was not measured.

    Raises KeyError and the like for odd figures.
    """
    if not info.metrics:
        return None
    name, key = ("top-1", "top1") if info.task == "single-label" else ("mAP", "map")
    return name, f"{percent(info.metrics[key])} on {info.metrics['images']} images"


def epoch_choice_text(info: ArtifactInfo) -> str | None:
    """Return which epoch of its training a model file is of, and by what it was chosen; None if it was not chosen.

    Raises KeyError for odd entries.
    """
    choice = info.epoch_choice
    if choice is None:
        return None
    epoch, epochs, monitor = (choice[name] for name in ("epoch", "epochs", "monitor"))
    return f"{epoch} of {epochs}, the best by {monitor} on its val images: on these, the accuracy is optimistic"


def write_temperature(info: ArtifactInfo) -> None:
    """Print the temperature or the fitted thresholds of a model file, if it has them."""
    temperature = temperature_text(info)
    if temperature:
        write(f"temperature {temperature}")
    if info.thresholds_fit:
        write(f"thresholds {thresholds_text(info)}")


def thresholds_text(info: ArtifactInfo) -> str | None:
    """Describe the thresholds of a model file; None if it is single-label. Raises KeyError for odd figures."""
    if info.task == "single-label":
        return None
    if info.thresholds is None:
        return "0.5 for every class"
    text, fit, metrics = f"{min(info.thresholds):g} to {max(info.thresholds):g}", info.thresholds_fit, info.metrics
    if fit:
        text += f", for the best {fit['maximizes']} on {fit['images']} images"
    if metrics and "f1_images" in metrics:
        text += f"; macro F1 {metrics['macro_f1']:.4f} on {metrics['f1_images']} other images"
    return text


def temperature_text(info: ArtifactInfo) -> str | None:
    """Describe the temperature of a model file; None if it has none. Raises KeyError and the like for odd figures."""
    if info.temperature is None:
        return None
    text, fit, metrics = f"{info.temperature:.3g}", info.temperature_fit, info.metrics
    if fit:
        low, high = fit["interval"]
        text += f" (95% interval {low:.3g} to {high:.3g}), fitted to {fit['images']} images"
    if metrics and "ece" in metrics:
        before, after = metrics["uncalibrated_ece"], metrics["ece"]
        text += f"; ECE {before:.4f} -> {after:.4f} on {metrics['ece_images']} other images"
    return text
