"""Draw the images of examples/, which the first command of the README classifies.

    python scripts/draw_examples.py

Everything in them is drawn by this script, so that no one else holds rights to them.
"""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

EXAMPLES = Path(__file__).parents[1] / "examples"
SCALE = 4  # images are drawn larger and reduced, for smooth edges


def gradient(size: tuple[int, int], top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    """A vertical gradient between two colors."""
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        share = y / (size[1] - 1)
        column.putpixel((0, y), tuple(round(a + share * (b - a)) for a, b in zip(top, bottom, strict=True)))
    return column.resize(size)


def ship() -> Image.Image:
    """A freighter on the open sea under a pale sky."""
    width, height = 320 * SCALE, 240 * SCALE
    image = gradient((width, height), (150, 190, 225), (225, 232, 238))
    horizon = int(height * 0.55)
    image.paste(gradient((width, height - horizon), (58, 98, 140), (24, 58, 96)), (0, horizon))
    draw = ImageDraw.Draw(image)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * width, y * height) for x, y in points]

    draw.polygon(at((0.10, 0.50), (0.92, 0.47), (0.85, 0.66), (0.17, 0.66)), fill=(52, 54, 62))
    draw.polygon(at((0.13, 0.60), (0.875, 0.585), (0.85, 0.66), (0.17, 0.66)), fill=(150, 44, 38))
    draw.polygon(at((0.17, 0.50), (0.17, 0.33), (0.36, 0.33), (0.36, 0.495)), fill=(238, 238, 234))
    draw.polygon(at((0.20, 0.33), (0.20, 0.25), (0.33, 0.25), (0.33, 0.33)), fill=(226, 226, 222))
    draw.polygon(at((0.23, 0.25), (0.235, 0.15), (0.295, 0.15), (0.30, 0.25)), fill=(196, 92, 40))
    for row in (0.37, 0.43):
        for column in range(6):
            x = 0.185 + 0.028 * column
            draw.rectangle(at((x, row), (x + 0.015, row + 0.022)), fill=(60, 78, 96))
    for number, color in enumerate(((176, 70, 52), (70, 108, 150), (196, 150, 60), (90, 128, 84), (150, 150, 156))):
        x = 0.40 + 0.085 * number
        draw.rectangle(at((x, 0.415), (x + 0.078, 0.488)), fill=color)
    draw.line(at((0.855, 0.475), (0.855, 0.28)), fill=(70, 70, 74), width=2 * SCALE)
    for number in range(60):  # waves and foam at the hull
        y = 0.67 + 0.31 * (number / 60) ** 1.3
        x = (number * 0.618) % 1
        length = 0.03 + 0.06 * (y - 0.6)
        draw.line(at((x, y), (x + length, y + 0.004 * math.sin(number))), fill=(96, 136, 172), width=SCALE)
    draw.line(at((0.14, 0.665), (0.88, 0.662)), fill=(214, 226, 234), width=3 * SCALE)
    return image.filter(ImageFilter.GaussianBlur(SCALE / 2)).resize((320, 240), Image.Resampling.LANCZOS)


def seven() -> Image.Image:
    """A handwritten seven, white on black as in MNIST."""
    size = 28 * 16
    image = Image.new("L", (size, size))
    stroke = [(0.29, 0.27), (0.45, 0.255), (0.70, 0.25), (0.64, 0.40), (0.55, 0.58), (0.47, 0.80)]
    points = [(x * size, y * size) for x, y in stroke]
    draw = ImageDraw.Draw(image)
    width = round(size * 0.085)
    draw.line(points, fill=255, width=width, joint="curve")
    for x, y in points:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return image.filter(ImageFilter.GaussianBlur(6)).resize((28, 28), Image.Resampling.LANCZOS)


def clock() -> Image.Image:
    """A wall clock with Arabic numerals, and its shadow on a plain wall."""
    size = 320 * SCALE
    image = gradient((size, size), (206, 196, 180), (186, 174, 156))

    def disc(radius: float, center: float = 0.5) -> tuple[float, ...]:
        return tuple(size * (center + sign * radius) for sign in (-1, -1, 1, 1))

    def place(angle: float, radius: float) -> tuple[float, float]:
        """The point at an angle in degrees, clockwise from twelve, and a share of the image from its center."""
        turn = math.radians(angle)
        return size * (0.5 + radius * math.sin(turn)), size * (0.5 - radius * math.cos(turn))

    shadow = Image.new("L", (size, size), 0)
    ImageDraw.Draw(shadow).ellipse(disc(0.39, 0.53), fill=110)
    image.paste((0, 0, 0), mask=shadow.filter(ImageFilter.GaussianBlur(14 * SCALE)))
    draw = ImageDraw.Draw(image)
    for radius, color in ((0.39, (44, 40, 38)), (0.365, (86, 78, 70)), (0.35, (247, 245, 238))):
        draw.ellipse(disc(radius), fill=color)
    for minute in range(60):
        start, width = (0.30, 0.012) if minute % 5 == 0 else (0.325, 0.005)
        draw.line((place(6 * minute, start), place(6 * minute, 0.337)), fill=(30, 30, 30), width=round(width * size))
    font = ImageFont.load_default(size=round(0.058 * size))  # the font that Pillow contains
    for hour in range(1, 13):
        draw.text(place(30 * hour, 0.255), str(hour), fill=(25, 25, 25), font=font, anchor="mm")
    for angle, length, width, tail, color in (
        (304, 0.18, 0.022, 0.05, (20, 20, 20)),
        (50, 0.27, 0.015, 0.05, (20, 20, 20)),
        (190, 0.29, 0.006, 0.08, (190, 40, 34)),
    ):
        draw.line((place(angle + 180, tail), place(angle, length)), fill=color, width=round(width * size))
    draw.ellipse(disc(0.018), fill=(20, 20, 20))
    return image.filter(ImageFilter.GaussianBlur(SCALE / 2)).resize((320, 320), Image.Resampling.LANCZOS)


def main() -> None:
    EXAMPLES.mkdir(exist_ok=True)
    clock().save(EXAMPLES / "clock.png", optimize=True)
    ship().save(EXAMPLES / "ship.png", optimize=True)
    seven().save(EXAMPLES / "seven.png", optimize=True)


if __name__ == "__main__":
    main()
