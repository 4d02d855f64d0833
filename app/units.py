"""Which units people want to see: °C or K, m/s or kt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from met2net_ops.app.theme import DIVERGING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from met2net_ops.variables import Display, Variable

METRES_PER_SECOND_TO_KNOTS = 3600.0 / 1852.0
TEMPERATURES = ("°C", "K")
WINDS = ("m/s", "kt")
_FREEZING = 273.15


@dataclass(frozen=True, slots=True)
class Units:
    """A reader's choice.

    Attributes:
        temperature: one of `TEMPERATURES`.
        wind: one of `WINDS`.
    """

    temperature: str = "°C"
    wind: str = "m/s"

    def display(self, row: Variable) -> Display:
        """How to show a variable; the colour range stays the same physical one.

        >>> from met2net_ops.variables import variable
        >>> shown = Units(temperature="K", wind="kt").display(variable("t2m"))
        >>> shown.units, shown.offset, shown.colour_range
        ('K', 0.0, (233.15, 313.15))
        >>> round(Units(wind="kt").display(variable("u10")).scale, 4)
        1.9438
        """
        display = row.display
        if row.units == "K" and self.temperature == "K":
            low, high = (round(limit + _FREEZING, 2) for limit in display.colour_range)
            return replace(display, units="K", offset=0.0, colour_range=(low, high))
        if row.units == "m s-1":
            if self.wind == "m/s":
                return replace(display, units="m/s")
            low, high = (limit * METRES_PER_SECOND_TO_KNOTS for limit in display.colour_range)
            scale = display.scale * METRES_PER_SECOND_TO_KNOTS
            return replace(display, units="kt", scale=scale, colour_range=(low, high))
        return display

    def difference(self, row: Variable) -> Display:
        """How to show differences and errors of a variable: no offset, a degree is a kelvin.

        The colour range is symmetric: a quarter of the width of the variable's own.

        >>> from met2net_ops.variables import variable
        >>> shown = Units().difference(variable("t2m"))
        >>> shown.units, shown.offset, shown.colour_range, shown.palette
        ('K', 0.0, (-10.0, 10.0), 'RdBu_r')
        """
        display = self.display(row)
        low, high = display.colour_range
        reach = (high - low) / 8
        units = "K" if row.units == "K" else display.units
        return replace(
            display, units=units, offset=0.0, colour_range=(-reach, reach), palette=DIVERGING
        )


def shown(values: NDArray[np.floating], display: Display) -> NDArray[np.float32]:
    """Stored values as `display` shows them, float32 of the same shape.

    >>> import numpy as np
    >>> from met2net_ops.variables import variable
    >>> shown(np.float32([283.15]), Units().display(variable("t2m"))).round(3).tolist()
    [10.0]
    """
    import numpy as np

    converted = values.astype(np.float64) * display.scale + display.offset
    return np.asarray(converted, dtype=np.float32)


def fitted(display: Display, values: NDArray[np.floating]) -> Display:
    """With a colour range that the values fill; what is shown around zero stays around it.

    Args:
        display: of the fixed range, which stands where no value is finite or all are equal.
        values: as shown.

    >>> import numpy as np
    >>> from met2net_ops.variables import variable
    >>> fitted(variable("msl").display, np.float32([1001.5, np.nan, 1020])).colour_range
    (1001.5, 1020.0)
    >>> fitted(variable("u10").display, np.float32([-3, 8])).colour_range
    (-8.0, 8.0)
    """
    import numpy as np

    known = values[np.isfinite(values)]
    if not known.size or known.min() == known.max():
        return display
    low, high = float(known.min()), float(known.max())
    if display.palette == DIVERGING:
        high = max(abs(low), abs(high))
        low = -high
    return replace(display, colour_range=(low, high))
