"""The file format: what an edgekit .onnx file states about itself, and the validation of untrusted files."""
