"""Failures of torch that are replaced by one line with advice."""

import pytest
import torch

from edgekit.train.interrupt import torch_failures_explained


def test_torch_failures_explained_leaves_an_error_of_a_living_worker_unchanged():
    class Failing(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise RuntimeError("the cause")

    with (
        pytest.raises(RuntimeError, match=r"(?s)in DataLoader worker process 0\..*the cause"),
        torch_failures_explained(),
    ):
        next(iter(torch.utils.data.DataLoader(Failing(), num_workers=1)))
