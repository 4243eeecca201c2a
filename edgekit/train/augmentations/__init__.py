"""Data augmentation: random geometry, color, erasing and mixing of training images."""
