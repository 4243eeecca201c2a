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


def test_int8_counts_bytes_scales_and_copied_windows():
    made = network(Chain("pixels", 3, 8).conv(16, kernel=3).conv(8), "int8")
    weights = 16 * 27 + 17 * 16 + 8 * 16 + 17 * 8
    assert weight_bytes(made) == weights
    assert peak_memory_bytes(made) == weights + 4 * 64 * 3 + 64 * 16 + 64 * 27
