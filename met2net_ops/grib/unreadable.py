"""The error inside GRIB reading; it becomes a verdict and never leaves the package."""


class GribUnreadableError(Exception):
    """A sound frame holds something that makes no sense; says what."""
