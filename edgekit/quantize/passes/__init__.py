"""Graph passes that only quantization needs: one pass, one file."""
