"""The format of templates: what is packed is unpacked, and nothing else is taken for a template."""

import json
import zlib

import pytest
from made_networks import conv_network

from edgekit.artifact.metadata import read_metadata, with_metadata
from edgekit.artifact.template import Copied, Folded, IntegerLayer, Template, pack_template, unpack_template
from edgekit.errors import ArtifactError

FOLDED = Folded(part="bias", conv="layer1.conv", norm="layer1.bn", epsilon=1e-3, has_bias=True)
TEMPLATE = Template(
    model=with_metadata(conv_network().SerializeToString(), {}),
    facts={"network": "tiny", "classes": 4},
    sources={"fc.w": Copied(tensor="fc.weight", transposed=True), "conv.b": FOLDED},
    layers=(
        IntegerLayer(
            weights=("w", "ws"),
            bias=("b", "bs"),
            weight_source=Copied(tensor="conv.weight"),
            bias_source=FOLDED,
            output_axis=0,
            in_pairs=True,
            input_scale=0.1,
            least_scale=0.0,
        ),
    ),
    optional=("aux.",),
)


def changed(**entries: object) -> bytes:
    model = zlib.decompress(pack_template(TEMPLATE))
    document = json.loads(read_metadata(model)["edgekit_template"])
    return zlib.compress(with_metadata(model, {"edgekit_template": json.dumps(document | entries)}))


def test_unpack_template_is_the_inverse_of_pack_template():
    assert unpack_template(pack_template(TEMPLATE)) == TEMPLATE
    assert pack_template(TEMPLATE) == pack_template(unpack_template(pack_template(TEMPLATE)))


@pytest.mark.parametrize(
    "content",
    [b"", b"template", zlib.compress(b"template"), zlib.compress(TEMPLATE.model), TEMPLATE.model],
    ids=["empty", "text", "compressed text", "without a table", "not compressed"],
)
def test_unpack_template_raises_for_anything_else(content):
    with pytest.raises(ArtifactError, match="not a"):
        unpack_template(content)


def test_unpack_template_raises_for_a_newer_schema():
    with pytest.raises(ArtifactError, match="has schema 99, but this version reads schema 1; install a newer edgekit"):
        unpack_template(changed(schema=99))
