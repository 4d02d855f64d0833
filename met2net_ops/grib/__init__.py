"""GRIB reading: scan the bytes, list every message, decode what is wanted."""
