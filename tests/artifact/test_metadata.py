"""The metadata_props of an ONNX file, compared with what the onnx package reads."""

import hypothesis.strategies as st
import onnx
import pytest
from hypothesis import given
from made_models import tiny_model

from edgekit.artifact.metadata import read_metadata, with_metadata
from edgekit.artifact.protobuf import delimited
from edgekit.errors import ArtifactError


@given(st.dictionaries(st.text(), st.text(), max_size=6))
def test_with_metadata_writes_what_the_onnx_package_reads_and_leaves_the_rest_unchanged(metadata):
    model = tiny_model()
    model.metadata_props.add(key="old", value="removed")
    written = with_metadata(model.SerializeToString(), metadata)
    assert read_metadata(written) == metadata
    parsed = onnx.load_from_string(written)
    assert {entry.key: entry.value for entry in parsed.metadata_props} == metadata
    del parsed.metadata_props[:], model.metadata_props[:]
    assert parsed == model


def test_read_metadata_refuses_a_duplicate_key():
    model = tiny_model()
    for value in ("1", "2"):
        model.metadata_props.add(key="x", value=value)
    with pytest.raises(ArtifactError, match="duplicate metadata key 'x'"):
        read_metadata(model.SerializeToString())


def test_read_metadata_refuses_more_than_16_mib():
    entries = [delimited(14, delimited(1, name) + delimited(2, b"a" * 8 * 2**20)) for name in (b"a", b"b")]
    assert len(read_metadata(entries[0])["a"]) == 8 * 2**20
    with pytest.raises(ArtifactError, match="more than 16777216 bytes of metadata"):
        read_metadata(b"".join(entries))
