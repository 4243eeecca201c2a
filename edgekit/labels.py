"""Class names: read, checked, matched."""
