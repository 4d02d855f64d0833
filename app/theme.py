"""Colours that people with any colour vision can tell apart, on light and on dark."""

from __future__ import annotations

# Okabe and Ito (2008), without black and yellow, which vanish on dark or on light.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
GREY = "#888888"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

# Lines over a field: dark ones with a light casing read on any colour.
LINE = "#141414"
CASING = "rgba(255, 255, 255, 0.85)"
GRATICULE = "rgba(90, 90, 90, 0.55)"
HALO = "0 0 2px white, 0 0 3px white, 0 0 4px white"  # text on any colour stays readable
STATION = VERMILION
DIVERGING = "RdBu_r"
INVISIBLE = {"selected": {"marker": {"opacity": 0}}, "unselected": {"marker": {"opacity": 0}}}


def translucent(colour: str, alpha: float) -> str:
    """The same colour, see-through, for bands.

    >>> translucent("#0072B2", 0.2)
    'rgba(0, 114, 178, 0.2)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"
