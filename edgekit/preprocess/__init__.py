"""From pixels to network input, and from logits to scores: crops, the `Preprocess` specification, softmax."""
