"""Graph passes that only quantization needs: one pass, one file (docs/contributing/adding-a-pass.md)."""
