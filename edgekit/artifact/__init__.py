"""The file format: the metadata in an edgekit .onnx file, and the validation of untrusted model files."""
