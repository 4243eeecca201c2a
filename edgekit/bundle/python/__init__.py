"""The program of a bundle for Python: classify.pyz contains it, the model, and the modules of edgekit that it needs."""
