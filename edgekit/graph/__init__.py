"""Reading and editing ONNX graphs. Needs the onnx package; models are edited in memory, bytes only at the edges."""
