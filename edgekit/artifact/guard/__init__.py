"""Validation of a model file before ONNX Runtime loads it."""
