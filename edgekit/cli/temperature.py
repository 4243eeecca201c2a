"""What `export`, `adopt` and `quantize` have in common about temperatures: the split of the images, and the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.cli.render import percent, write, write_message

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.dataset import ImageSet


def split_off_fit(images: ImageSet) -> tuple[ImageSet, ImageSet | None]:
    """Return the images that judge, and those of the fit of a temperature; print a note if there are none of these."""
    from edgekit.evaluate.temperature import MIN_IMAGES, split_for_temperature

    judging, fit = split_for_temperature(images) if images.classes else (images, None)
    if fit is None:
        found = f"{len(images)} images" if images.classes else "images without labels"
        write_message(
            f"note: no temperature is fitted: it needs {2 * MIN_IMAGES} labeled images, of which half judge "
            f"(got {found})"
        )
    return judging, fit


def write_metrics(info: ArtifactInfo) -> None:
    """Print the accuracy and the temperature of a new model file, if it has them."""
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} on {info.metrics['images']} images, from file to label")
    write_temperature(info)


def write_temperature(info: ArtifactInfo) -> None:
    """Print the temperature of a model file, if it has one."""
    text = temperature_text(info)
    if text:
        write(f"temperature {text}")


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
        text += f"; ECE {before:.4f} -> {after:.4f} on {metrics['images']} images"
    return text
