"""Writes what ships with a model: bundles for platforms, golden vectors, a model card, files for phones."""
