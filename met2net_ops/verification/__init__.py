"""Verification: pairs of forecast and truth become sums, sums become scores."""
