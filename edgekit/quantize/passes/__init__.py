"""Graph passes for quantization, one per file (see docs/contributing/adding-a-pass.md)."""
