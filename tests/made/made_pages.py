"""Pages of documentation as tests read them: their code blocks, and whether a shown output is the printed one.

A page is Markdown whose code blocks are fenced with three backticks at the start of a line:

    sh        shell commands, run by bash; every one must succeed
    console   lines that start with "$ " are commands (with "> " continued); what follows is their output. A command may
              fail only if `$ echo $?` comes next
    python    run in one namespace for each page. With a title, an excerpt of the file of that name
    text      with the title "output", what the block before it prints
    toml, ... not code to run; with a title, an excerpt of the file of that name

<!-- not run: REASON --> on the line before a block leaves it out. <!-- figures vary: REASON --> lets every number of a
shown output be any other one; the words around it are compared.
"""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
COMMANDS = ("sh", "console")
LANGUAGES = (*COMMANDS, "python", "text", "toml", "json")
OUTPUT = "output"

_FENCE = re.compile(r'```(?P<language>[a-z]*)(?: title="(?P<title>[^"]+)")?')
_NOTE = re.compile(r"<!-- (?P<kind>not run|figures vary): (?P<reason>.+) -->")
# Lines that only a slow machine sees.
_PROGRESS = re.compile(r"^(?:[^\n:]+: \d+% \(\d.* of \d.*\)|[a-zA-Z .]+ \.\.\.$).*\n", re.MULTILINE)
_TOKEN = re.compile(r"(\.\.\.|\d+\.\d+(?:e[-+]?\d+)?)")
_VARYING_TOKEN = re.compile(r"(\.\.\.|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
_NUMBER = r"([-+]?\d+\.?\d*(?:e[-+]?\d+)?)"


class Block(NamedTuple):
    """A code block. line: of its fence, from 1. not_run, varies: the reasons of the notes before it."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str
    not_run: str | None
    varies: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_excerpt(self) -> bool:
        return self.title is not None and self.title != OUTPUT

    @property
    def is_code(self) -> bool:
        """Whether the block is there to be run."""
        return self.language in (*COMMANDS, "python") and not self.is_excerpt


class Command(NamedTuple):
    """A command of a console block and the output below it."""

    text: str
    output: str


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def shell(command: str, folder: Path, *, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """The bash command as a reader would run it in `folder`, stderr in the midst of stdout, as a terminal shows it."""
    settings = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONUNBUFFERED": "1",
        "EDGEKIT_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",  # of torch: on busy cores two threads wait for each other
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    done.stdout = _PROGRESS.sub("", done.stdout)
    return done


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in their order. Raises ValueError for a fence that this module cannot read."""
    found, lines = [], page.read_text(encoding="utf-8").splitlines()
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if not line.lstrip().startswith("```"):
            continue
        fence = _FENCE.fullmatch(line)
        if fence is None or fence["language"] not in LANGUAGES:
            raise ValueError(f"{page.name}:{number}: {line!r} is not a fence of {', '.join(LANGUAGES)}")
        content = []
        for _, inner in numbered:
            if inner == "```":
                break
            content.append(inner)
        else:
            raise ValueError(f"{page.name}:{number}: the block does not end")
        note = _NOTE.fullmatch(lines[number - 2]) if number > 1 else None
        reasons = {} if note is None else {note["kind"]: note["reason"]}
        notes = (reasons.get("not run"), reasons.get("figures vary"))
        found.append(Block(page, number, fence["language"], fence["title"], "\n".join(content), *notes))
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a console block, in their order."""
    parts = re.split(r"(?m)^\$ ", block.text)
    if parts[0]:
        raise ValueError(f"{block}: a console block starts with '$ '")
    found = []
    for part in parts[1:]:
        command, *rest = part.split("\n")
        while rest and rest[0].startswith("> "):
            command += "\n" + rest.pop(0)[2:]
        found.append(Command(command, "\n".join(rest)))
    return found


def is_shown(expected: str, printed: str, *, figures_vary: bool = False) -> bool:
    """Whether a page shows this output.

    A line `...` stands for any number of lines, and `...` within a line for any text. Numbers with a decimal point may
    differ by 5%, because processors round differently. Runs of spaces and dashes are equal: columns of a table are as
    wide as their figures. figures_vary: all numbers may be any others.
    """
    return _lines_match(_lines(expected), _lines(printed), figures_vary)


def is_excerpt_of(text: str, content: str) -> bool:
    """Whether the lines of `text` stand so in `content`, at any depth; a line `...` leaves some out."""
    lines, excerpt = ([line.strip() for line in part.splitlines()] for part in (content, text))
    position = 0
    for part in "\n".join(excerpt).split("\n...\n"):
        wanted = part.splitlines()
        starts = range(position, len(lines) - len(wanted) + 1)
        start = next((start for start in starts if lines[start : start + len(wanted)] == wanted), None)
        if start is None:
            return False
        position = start + len(wanted)
    return True


def _lines(text: str) -> list[str]:
    return [re.sub(r"-{2,}", "--", re.sub(r"\s+", " ", line)).strip() for line in text.strip().splitlines()]


def _lines_match(expected: list[str], printed: list[str], figures_vary: bool) -> bool:
    if not expected:
        return not printed
    first, *rest = expected
    if first == "...":
        return any(_lines_match(rest, printed[skipped:], figures_vary) for skipped in range(len(printed) + 1))
    if not printed or not _line_matches(first, printed[0], figures_vary):
        return False
    return _lines_match(rest, printed[1:], figures_vary)


def _line_matches(expected: str, printed: str, figures_vary: bool) -> bool:
    token = _VARYING_TOKEN if figures_vary else _TOKEN
    pattern, numbers = "", []
    for part in token.split(expected):
        if part == "...":
            pattern += ".*?"
        elif token.fullmatch(part):
            pattern += _NUMBER
            numbers.append(float(part))
        else:
            pattern += re.escape(part)
    match = re.fullmatch(pattern, printed)
    if match is None or figures_vary:
        return match is not None
    pairs = zip(match.groups(), numbers, strict=True)
    return all(math.isclose(float(text), number, rel_tol=0.05, abs_tol=0.01) for text, number in pairs)
