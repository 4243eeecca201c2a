"""Jobs of bulk prediction with the tiny model, and their inputs and outputs."""

import dataclasses
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from made_images import encoded
from PIL import Image

from edgekit.bulk.job import Job, JobModel
from edgekit.bulk.predict_shards import predict_shards
from edgekit.bulk.run_job import JobTotals, run_job


def write_photos(folder: Path, count: int, *, broken: tuple[int, ...] = ()) -> list[str]:
    """Write 1.png, 2.png, ... and return their paths."""
    folder.mkdir(exist_ok=True)
    for number in range(1, count + 1):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number % 9, 25, 3), np.uint8)
        data = b"broken" if number in broken else encoded(Image.fromarray(pixels), "PNG")
        (folder / f"{number}.png").write_bytes(data)
    return [f"{folder}/{number}.png" for number in range(1, count + 1)]


def write_tar(path: Path, images: list[str]) -> None:
    """Write a tar shard of image files, whose keys are their names without extensions."""
    with tarfile.open(path, "w") as tar:
        for image in images:
            data = Path(image).read_bytes()
            member = tarfile.TarInfo(Path(image).name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


def make_job(model: Path, *sources: object, output: Path, **options: Any) -> Job:
    """A job of one model."""
    job_model = JobModel.read(model.name, str(model))
    return Job(models=(job_model,), sources=tuple(map(str, sources)), output=str(output), **options)


def run_here(job: Job, *, notes: list[str] | None = None, **arguments: Any) -> JobTotals:
    """Run a job in this process with two workers."""
    with job.open_predictor() as predictor:

        def engine(job, shards, on_image):
            return predict_shards(job, shards, on_image, predictor=predictor, workers=2)

        return run_job(job, engine=engine, on_note=[].append if notes is None else notes.append, **arguments)


def rows(output: Path) -> list[dict[str, Any]]:
    """The records of all parts, in order."""
    if output.suffix == ".jsonl":
        lines = (part.read_text().splitlines() for part in sorted(output.glob("part-*.jsonl")))
        return [json.loads(line) for part in lines for line in part]
    import pyarrow.parquet as pq

    return [row for part in sorted(output.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]


def changed(job: Job, **options: Any) -> Job:
    """The job with other options."""
    return dataclasses.replace(job, **options)
