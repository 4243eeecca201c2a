"""Random changes of training images: geometry, color, erasing, mixing."""
