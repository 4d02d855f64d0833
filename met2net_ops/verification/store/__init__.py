"""Stored sums: their rows, one Parquet file per model, cycle and truth."""
