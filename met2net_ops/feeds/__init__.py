"""Remote sources of GRIB: what they publish, when, and how to fetch just the wanted messages."""
