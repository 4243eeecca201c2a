"""AlexNet: its response normalization, and the two towers of the paper."""

import torch
from torch import nn


def _norms(network):
    return [module for module in network.modules() if isinstance(module, nn.LocalResponseNorm)]


def test_alexnet_response_normalization_is_the_formula_of_section_3_3(hollow):
    first, second = _norms(hollow("alexnet"))
    maps = torch.rand(1, 9, 2, 2, dtype=torch.float64) * 100
    expected = torch.empty_like(maps)
    for i in range(9):
        neighbors = maps[:, max(0, i - 2) : i + 3]
        expected[:, i] = maps[:, i] / (2 + 1e-4 * neighbors.square().sum(1)) ** 0.75

    torch.testing.assert_close(first(maps), expected)
    torch.testing.assert_close(second(maps), expected)


def test_alexnet_without_local_response_norm_has_none(hollow):
    assert _norms(hollow("alexnet", local_response_norm=False)) == []


def test_alexnet_with_two_groups_has_the_connections_of_the_paper(hollow):
    two_towers, one_tower = hollow("alexnet", groups=2), hollow("alexnet")

    assert [two_towers.get_submodule(f"body.conv{number}.conv").groups for number in range(1, 6)] == [1, 2, 1, 2, 2]
    assert sum(p.numel() for p in two_towers.parameters()) == 60_965_224  # the paper's "60 million"
    assert {n: p.shape for n, p in two_towers.named_parameters() if ".fc" in n} == {
        n: p.shape for n, p in one_tower.named_parameters() if ".fc" in n
    }
