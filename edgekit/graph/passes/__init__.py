"""Graph passes of general use, one per file (see docs/contributing/adding-a-pass.md)."""
