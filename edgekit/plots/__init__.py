"""Matplotlib figures in a common style. Needs the extra `report`."""
