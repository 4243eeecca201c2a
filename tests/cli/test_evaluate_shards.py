"""`edgekit evaluate` on shards: the figures of the folder, to the last digit, without unpacking."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_models import LABELS, write_tiny
from made_shards import encoded, write_tar

FORMS = ("tar", "plain tar", "parquet")


def without_names(text: str) -> dict:
    """The figures, without what names the data and its images."""
    document = json.loads(text)
    del document["data"]
    for failed in document["failed"]:
        del failed["name"], failed["error"]
    for model in document["models"]:
        model["mistakes"] = [(m["truth"], m["predicted"], m["probability"]) for m in model["mistakes"]]
    for comparison in document["comparisons"]:
        comparison["flipped"] = len(comparison["flipped"])
    return document


def write_shards(folder, root, form):
    """The images of a folder in three shards, in another order."""
    files = sorted(folder.glob("*/*.png"), key=lambda path: path.stem[::-1])
    for number in range(3):
        part = files[number::3]
        if form == "parquet":
            images = [{"bytes": path.read_bytes(), "path": path.name} for path in part]
            table = pa.table({"image": images, "label": [path.parent.name for path in part]})
            root.mkdir(exist_ok=True)
            pq.write_table(table, root / f"{number}.parquet", row_group_size=11)
            continue
        members = []
        for index, path in enumerate(part):
            key = f"{path.parent.name}/{path.stem}" if form == "plain tar" else f"{index:06}"
            members.append((f"{key}.png", path.read_bytes()))
            if form == "tar":
                members.append((f"{key}.cls", str(LABELS.index(path.parent.name)).encode()))
        write_tar(root / f"{number}.tar", members)
    if form == "tar":
        (root / "classes.txt").write_text("\n".join(LABELS))
    return root


@pytest.mark.parametrize("form", FORMS)
def test_evaluate_computes_the_figures_of_the_folder(edgekit, tmp_path, write_drawn, monkeypatch, form):
    plain, warm = write_tiny(tmp_path / "plain.onnx"), write_tiny(tmp_path / "warm.onnx", temperature=0.5)
    data = write_drawn(plain, 150, temperature=0.5)
    (data / LABELS[0] / "broken.png").write_bytes(b"broken")
    shards = write_shards(data, tmp_path / "shards", form)
    code, expected, _ = edgekit("evaluate", plain, warm, data, "--json")
    assert code == 3
    monkeypatch.setattr("edgekit.evaluate.rows._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("edgekit.evaluate.rows._BLOCK_BYTES", 400)
    code, out, err = edgekit("evaluate", plain, warm, shards, "--json")
    assert code == 3
    assert err.count("not an image in a supported format") == 1
    assert without_names(out) == without_names(expected)


def test_evaluate_takes_columns_and_names_of_classes(edgekit, tiny_artifact, tmp_path):
    values = (10, 120, 250, 60)
    images = [encoded(value) for value in values]
    pq.write_table(
        pa.table({"image": images, "jpg": images, "label": [0, 1, 2, 3], "class": [3, 2, 1, 0]}),
        tmp_path / "x.parquet",
    )
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    command = ("evaluate", tiny_artifact, tmp_path / "x.parquet", "--json")
    code, _, err = edgekit(*command)
    assert (code, "set --image-column to one of them" in err) == (1, True)
    code, _, err = edgekit(*command, "--image-column", "jpg")
    assert (code, "set --label-column to one of them" in err) == (1, True)
    code, _, err = edgekit(*command, "--image-column", "jpg", "--label-column", "class")
    assert code == 1
    assert "the labels differ" in err
    chosen = ("--image-column", "jpg", "--label-column", "class", "--class-names", tmp_path / "names.txt")
    code, out, _ = edgekit(*command, *chosen)
    assert code == 0
    assert [row["images"] for row in json.loads(out)["models"][0]["classes"]] == [1, 1, 1, 1]


def test_evaluate_names_the_shards_in_its_tables(edgekit, tmp_path, write_drawn):
    model = write_tiny(tmp_path / "tiny.onnx")
    shards = write_shards(write_drawn(model, 12, temperature=0.5), tmp_path / "shards", "tar")
    code, out, _ = edgekit("evaluate", model, f"{shards}/{{0..2}}.tar")
    assert code == 0
    assert "{0..2}.tar: 12 images" in out
