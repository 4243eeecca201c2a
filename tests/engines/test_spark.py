"""Spark's own package in an environment of its own, in local mode: the example with 200 rows."""

import shutil
import sys

import pytest
from made_engines import SPARK, install_engines, predicted_rows, rows_by_name, run_program
from made_environments import ROOT
from made_jobs import write_photos

from edgekit import EdgekitError
from edgekit.engines.spark import Predictor

ROWS = 200


@pytest.mark.slow
def test_example_writes_a_row_for_each_image(engine_python, tiny_artifact, tmp_path):
    if shutil.which("java") is None:
        pytest.skip("java is not installed; on Debian: apt-get install default-jre-headless")
    install_engines(engine_python, *SPARK)
    photos = tmp_path / "photos"
    write_photos(photos, ROWS, broken=(3, 150))
    example = ROOT / "examples" / "bulk" / "spark_job.py"
    run_program(engine_python, example, photos, tmp_path / "rows", tiny_artifact, cwd=tmp_path)
    rows = rows_by_name(tmp_path / "rows")
    assert len(rows) == ROWS
    assert rows == predicted_rows(tiny_artifact, photos)


def test_missing_package_is_named_with_the_command(monkeypatch, tiny_artifact):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EdgekitError, match=r"^pyspark is not installed; run: pip install 'pyspark'$"):
        Predictor(tiny_artifact, column="path").schema(None)
