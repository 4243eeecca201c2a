"""How good and how fast a model file is. Torch-free."""
