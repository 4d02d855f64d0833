"""GRIB files as xarray shows them, by way of cfgrib where its answer is right."""
