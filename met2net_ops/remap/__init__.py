"""Remap fields from their own grid to the grid of the archive."""
