"""Make the two images of the README: a terminal session and the report page, both from commands that run now.

    python scripts/draw_readme_images.py DATA [--output docs/assets]

DATA is a labeled data set whose classes the built-in model mobilenet_v2-cifar10 knows; the published images were made
from CIFAR-10 as JPEG files (an image folder in a .tar.gz, 10,000 test images). Needs Chromium, and takes two minutes on
two CPU cores. The report is photographed only down to its comparison, above the first image of the data set.
"""

import argparse
import html
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgekit.hub.model_files import model_file

REPOSITORY = Path(__file__).parents[1]
SCALE = 2  # device pixels per CSS pixel: sharp on today's screens
TERMINAL_WIDTH, LINE_HEIGHT, MARGIN = 920, 19, 18  # CSS pixels
REPORT_SIZE = (1100, 610)
PROGRESS = re.compile(r"^.*: \d+% \(\d+ of \d+\).*\n", re.MULTILINE)  # a bar in a terminal, which disappears
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #0f1720; color: #d7dee7; }}
pre {{ margin: 0; padding: {margin}px; font: 13px/{line}px "DejaVu Sans Mono", monospace; }}
b {{ color: #7ee2b8; font-weight: normal; }}
</style><pre>{lines}</pre>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "assets")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copy(model_file("mobilenet_v2-cifar10"), work / "model.onnx")
        for name in ("clock.png", "ship.png"):
            shutil.copy(REPOSITORY / "examples" / name, work)
        (work / "photos").symlink_to(args.data.resolve())
        run("edgekit pull efficientnet_lite0-imagenet-int8", work)  # built at first use, with a message
        session = [
            run("edgekit predict clock.png", work),
            run("edgekit quantize model.onnx --calibration photos -o model-int8.onnx", work),
            run("edgekit predict ship.png --model model-int8.onnx --top 1", work),
        ]
        draw_terminal(session, args.output / "terminal.png", work)
        run("edgekit evaluate model.onnx model-int8.onnx photos --report report.html", work)
        photograph(work / "report.html", args.output / "report.png", *REPORT_SIZE)


def run(command: str, folder: Path) -> tuple[str, str]:
    """The command and what it leaves in a terminal, in the order of printing."""
    print("$", command, flush=True)
    program, *arguments = shlex.split(command)
    executable = str(Path(sys.executable).parent / program)
    finished = subprocess.run(
        [executable, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if finished.returncode:
        sys.exit(f"{command}: exit status {finished.returncode}\n{finished.stdout}")
    return command, PROGRESS.sub("", finished.stdout).rstrip()


def draw_terminal(session: list[tuple[str, str]], path: Path, folder: Path) -> None:
    """A PNG of the commands and their output, as high as they are long."""
    blocks = [f"<b>$ {html.escape(command)}</b>\n{html.escape(output)}" for command, output in session]
    lines = "\n\n".join(blocks)
    page = folder / "terminal.html"
    page.write_text(TERMINAL.format(lines=lines, line=LINE_HEIGHT, margin=MARGIN), encoding="utf-8")
    height = (lines.count("\n") + 1) * LINE_HEIGHT + 2 * MARGIN
    photograph(page, path, TERMINAL_WIDTH, height)


def photograph(page: Path, path: Path, width: int, height: int) -> None:
    """A PNG of the top of the page, `width` x `height` CSS pixels."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("Chromium is not installed; on Debian: apt-get install chromium")
    options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--force-device-scale-factor={SCALE}")
    size, target = f"--window-size={width},{height}", f"--screenshot={path.resolve()}"
    subprocess.run([browser, *options, size, target, page.resolve().as_uri()], check=True, stderr=subprocess.DEVNULL)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
