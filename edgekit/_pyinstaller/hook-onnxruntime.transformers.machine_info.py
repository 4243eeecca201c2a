"""This module of onnxruntime, which `import onnxruntime` reaches, asks torch for GPUs if torch is there.

Without this hook, that alone would put torch (800 MB) into a program built on a machine where torch is installed. A
program that imports torch itself still gets it.
"""

excludedimports = ["torch"]
