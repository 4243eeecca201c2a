"""The program in bench.pyz: it times the models of a kit on a device that has only Python, numpy and onnxruntime.

It imports nothing of edgekit, which is not there.
"""
