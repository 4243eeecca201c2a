"""Graph passes of general use: one pass, one file (docs/contributing/adding-a-pass.md)."""
