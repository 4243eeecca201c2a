import pytest

from edgekit.fit.file_size import file_size_bytes
from edgekit.fit.operators import operators_of
from edgekit.hub.model_files import model_path


@pytest.mark.parametrize("name", ["mobilenet_v2-cifar10", "mobilenet_v2-cifar10-int8"])
def test_size_of_an_exported_file_is_predicted_to_two_percent(name):
    content = model_path(name).read_bytes()
    assert file_size_bytes(operators_of(content, name=name)) == pytest.approx(len(content), rel=0.02)
