"""Small networks whose times show what each operator of onnxruntime costs on a device; needs numpy and onnxruntime."""
