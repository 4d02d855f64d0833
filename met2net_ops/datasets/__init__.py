"""Gridded data that is not GRIB: NetCDF files and Zarr stores, read into the archive."""
