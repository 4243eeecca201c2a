"""Reads and edits ONNX graphs; needs the onnx package.

`index` reads a graph: which node produces a tensor, which nodes consume it, which tensors are constant. `edit` changes
a graph in place. `passes` contains complete rewrites, one per file: a model in, a new model out.
"""
