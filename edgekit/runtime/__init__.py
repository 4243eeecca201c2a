"""Prediction on onnxruntime: neither torch nor onnx is ever imported here."""
