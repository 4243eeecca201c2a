"""The networks of a training state."""

import torch

from edgekit.train.recipe import Recipe
from edgekit.train.setup import initial_state


def test_training_network_trains_auxiliary_heads(tmp_path, training, validation):
    """With weight 0.3, as in the GoogLeNet paper (Szegedy et al. 2014, section 5)."""
    from edgekit.train.loader import Batch
    from edgekit.train.metrics import batch_loss
    from edgekit.zoo.network import AUXILIARY_WEIGHT

    assert AUXILIARY_WEIGHT == 0.3
    recipe = Recipe.from_dict(
        {"model": "googlenet", "arguments": {"auxiliary": True}, "preprocess": {"resize": 96, "crop": [96, 96]}}
    )
    state = initial_state(recipe, ("a", "b"), device="cpu")
    state.train_mode()
    pixels = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    logits, auxiliary = state.training_network(pixels)
    assert len(auxiliary) == 2
    labels = torch.tensor([0, 1])
    batch = Batch(pixels, labels, labels, 1.0, 2)
    total = batch_loss(logits, batch, smoothing=0) + sum(0.3 * batch_loss(a, batch, smoothing=0) for a in auxiliary)
    total.backward()
    assert all(p.grad is not None for p in state.network.auxiliary.parameters())
