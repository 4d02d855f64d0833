"""Operational weather forecasting with Met2Net: GRIB in, verified CF NetCDF out."""
