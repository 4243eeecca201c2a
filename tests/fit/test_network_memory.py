from edgekit.bench.micro_graphs.steps import Chain
from edgekit.fit.fusion import fused
from edgekit.fit.network_memory import peak_memory_bytes, weight_bytes
from edgekit.fit.operators import Network


def network(chain: Chain, precision: str) -> Network:
    return Network(fused(chain.graph("name").steps, precision=precision), precision)


def test_float32_counts_weights_and_the_largest_live_tensors_in_whole_blocks():
    made = network(Chain("pixels", 3, 8).conv(24, kernel=3).mean().linear(10), "float32")
    weights = 4 * (24 * (27 + 1) + 10 * (24 + 1))
    assert weight_bytes(made) == weights
    assert peak_memory_bytes(made) == weights + 4 * 64 * (3 + 32)


def test_shortcut_keeps_its_tensor_alive():
    def memory(*, shortcut: bool) -> int:
        chain = Chain("pixels", 3, 8).conv(16)
        start = chain.position
        chain.conv(16, activation="relu").conv(16)
        return peak_memory_bytes(network(chain.add(start) if shortcut else chain.conv(16), "float32"))

    extra = 4 * 16 * 64 - 4 * 16 * 17  # one more tensor, without the weights of the other's last layer
    assert memory(shortcut=True) - memory(shortcut=False) == extra


def test_int8_counts_bytes_scales_and_pointers_to_windows():
    made = network(Chain("pixels", 3, 8).conv(16, kernel=3).conv(8), "int8")
    weights = 16 * (27 + 9) + 8 * (16 + 9)
    assert weight_bytes(made) == weights
    assert peak_memory_bytes(made) == weights + 64 * 3 + 64 * 16 + 8 * 64 * 9
    pointwise = network(Chain("input", 32, 8).conv(64).conv(32), "int8")
    assert peak_memory_bytes(pointwise) == weight_bytes(pointwise) + 64 * (32 + 64)


def test_normalization_of_pixels_has_two_float32_tensors():
    for precision in ("float32", "int8"):
        made = network(Chain("pixels", 3, 64).conv(8, kernel=3, stride=4), precision)
        assert peak_memory_bytes(made) == weight_bytes(made) + 2 * 4 * 3 * 64 * 64


def test_int8_gate_of_silu_is_a_third_tensor():
    made = network(Chain("input", 16, 8).conv(16).activation("silu"), "int8")
    assert peak_memory_bytes(made) == weight_bytes(made) + 3 * 16 * 64


def test_int8_shortcut_that_leaves_out_positions_is_computed_in_float32():
    for channels, before in ((16, 8 * 8), (32, 4 * 4)):  # without new channels, all positions become float32 first
        made = network(Chain("input", 16, 8).conv(16).pad(channels), "int8")
        read, written = 8 * 8 * 16, 4 * 4 * channels
        assert peak_memory_bytes(made) == weight_bytes(made) + read + 4 * (before * 16 + written)
