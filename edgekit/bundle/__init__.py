"""Writes what ships beside a model file: golden vectors, a model card, and files for onnxruntime on phones."""
