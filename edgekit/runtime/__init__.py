"""Prediction with onnxruntime. Neither torch nor onnx is imported here."""
