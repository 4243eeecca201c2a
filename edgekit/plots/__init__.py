"""Figures drawn with matplotlib, in one style. Needs the extra `report`."""
