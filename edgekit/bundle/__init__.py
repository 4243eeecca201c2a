"""What ships beside a model file: golden vectors, a model card, the files of an onnxruntime mobile build."""
