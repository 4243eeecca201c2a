"""Validation of a model file before onnxruntime loads it."""
