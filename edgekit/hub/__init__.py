"""Models and weights by name: built-in models, published checkpoints, safe downloads and their cache."""
