"""Fuzz the reading of tables and label files: lines, columns, separators and encodings, mixed and mutated.

python scripts/fuzz_tables.py [--count 2500] [--seed 0]
"""

from __future__ import annotations

import random
from pathlib import Path

from fuzzing import Trial, main, mutated

from edgekit import dataset
from edgekit.errors import EdgekitError
from edgekit.label_files import read_labels

COLUMNS = ("file", "path", "label", "labels", "class", "class_index", "split", "", "FILE", "x")
CELLS = (
    *["a.png", "../a.png", "../b.png", "/c.png", "cat", "dog", "0", "1", "-1", "1e9", "nan", "train", "val", "ü"],
    "",
    '"',
)
SEPARATORS = (",", ";", "\t", "|", " ")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-32")
LABELS = (
    "cat\ndog\n",
    '["cat", "dog"]',
    '{"0": "cat", "1": "dog"}',
    "0 cat\n1 dog\n",
    "names:\n  0: cat\n  1: dog\n",
    "{0: 'cat'}",
)


def prepare(folder: Path) -> Trial:
    def trial(rng: random.Random) -> None:
        path = folder / rng.choice(("table.csv", "labels.txt", "labels.json", "labels.yaml"))
        text = table(rng) if path.suffix == ".csv" else rng.choice(LABELS)
        data = text.encode(rng.choice(ENCODINGS), "replace")
        path.write_bytes(mutated(data, rng, other=LABELS[2].encode()) if rng.random() < 0.7 else data)
        for read in (lambda: dataset.read(path, "all"), lambda: read_labels(path)):
            try:
                read()
            except EdgekitError as error:
                if len(str(error).splitlines()) != 1:
                    raise AssertionError(f"a message of several lines: {error}") from error

    return trial


def table(rng: random.Random) -> str:
    separator = rng.choice(SEPARATORS)
    columns = [rng.choice(COLUMNS) for _ in range(rng.choice((1, 2, 2, 3, 5)))]
    rows = [
        [rng.choice(CELLS) for _ in range(len(columns) + rng.choice((0, 0, 0, 1, -1)))] for _ in range(rng.randrange(6))
    ]
    return rng.choice(("\n", "\r\n", "\r")).join(separator.join(row) for row in (columns, *rows))


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=2_500)
