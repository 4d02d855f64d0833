"""Forecast products: CF NetCDF files written whole or not at all, and read back."""
