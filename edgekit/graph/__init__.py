"""Reading and editing ONNX graphs; needs the onnx package.

`index` reads: a Graph knows which node produces a tensor and which nodes consume it. `edit` changes a Graph in place.
`passes` are whole rewrites, one per file: a model in, a new model out.
"""
