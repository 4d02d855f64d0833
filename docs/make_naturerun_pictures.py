"""Draw the pictures of docs/naturerun.md: `python docs/make_naturerun_pictures.py [YEAR_FOLDER]`.

Without an argument: the weather map and the time-longitude diagram, from the demonstration's state.
With a folder that `met2net-ops naturerun arrays` wrote for a year: the climate as well.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from plotly.colors import sample_colorscale, unlabel_rgb

from met2net_ops import naturerun
from met2net_ops.grids import LatLonGrid, named_grid
from met2net_ops.naturerun import planet
from met2net_ops.naturerun.fields import sampler
from met2net_ops.naturerun.generate import run_for
from met2net_ops.naturerun.restart import load_state
from met2net_ops.variables import variable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.floating]
    Pixels = NDArray[np.uint8]

OUT = Path(__file__).parent / "images"
MAP = LatLonGrid(89.75, -180.0, 0.5, 0.5, 360, 720, "map")
NAMES = ("t2m", "u10", "v10", "msl", "tcc", "tp")
FONT = ImageFont.load_default(size=17)
SMALL = ImageFont.load_default(size=13)


def coloured(values: Values, low: float, high: float, palette: str) -> Pixels:
    """(rows, columns, 3) colours of values between low and high."""
    steps = sample_colorscale(palette, list(np.linspace(0.0, 1.0, 128)))
    table = np.array([unlabel_rgb(step) for step in steps], dtype=np.uint8)
    scaled = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(table[(scaled * 127).astype(int)])


def lines(values: Values, spacing: float) -> NDArray[np.bool_]:
    """Where a multiple of `spacing` lies between a pixel and its neighbour."""
    band = np.floor(values / spacing)
    right = np.diff(band, axis=1, append=band[:, -1:]) != 0
    return np.asarray(right | (np.diff(band, axis=0, append=band[-1:]) != 0))


def save(image: Image.Image, name: str) -> None:
    """As a PNG with 128 colours, which keeps it small."""
    OUT.mkdir(exist_ok=True)
    image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(OUT / name, optimize=True)


def framed(panels: list[tuple[str, Pixels]], columns: int) -> Image.Image:
    """Panels of one size with a title each."""
    height, width = panels[0][1].shape[:2]
    rows = -(-len(panels) // columns)
    image = Image.new("RGB", (columns * (width + 8) + 8, rows * (height + 30) + 8), "white")
    draw = ImageDraw.Draw(image)
    for i, (title, pixels) in enumerate(panels):
        x, y = 8 + (i % columns) * (width + 8), (i // columns) * (height + 30)
        draw.text((x, y + 5), title, fill="black", font=FONT)
        image.paste(Image.fromarray(pixels), (x, y + 28))
    return image


def weather_map(values: dict[str, Values], title: str) -> Image.Image:
    """Temperature, wind, cloud and rain, with coasts and isobars every 4 hPa."""
    coast = lines(0.999 * planet.land_fraction(MAP.latitudes, MAP.longitudes), 0.5)
    isobars = lines(values["msl"] / 100.0, 4.0)
    wind = np.hypot(values["u10"], values["v10"])
    panels = []
    for name, field, low, high, palette, text in (
        (
            "t2m",
            values["t2m"] - 273.15,
            -40,
            40,
            variable("t2m").display.palette,
            "2 m temperature, ±40 °C",
        ),
        ("wind", wind, 0, 25, "viridis", "10 m wind speed, 0 to 25 m/s"),
        ("tcc", values["tcc"], 0, 1, "Greys_r", "cloud cover"),
        ("tp", np.sqrt(values["tp"]), 0, np.sqrt(5.0), "Blues", "rain in the last hour, to 5 mm"),
    ):
        pixels = coloured(field, low, high, palette)
        pixels[coast] = (60, 60, 60) if name != "tcc" else (220, 160, 60)
        if name in {"t2m", "wind"}:
            pixels[isobars] = (0, 0, 0) if name == "t2m" else (255, 255, 255)
        panels.append((f"{text} (synthetic, {title})", pixels))
    return framed(panels, 2)


def time_longitude(pressure: Values, latitudes: Values) -> Image.Image:
    """Pressure departures at 45° N and 45° S, time downwards: lows and highs drift east."""
    panels = []
    for wanted in (45.0, -45.0):
        row = int(np.argmin(abs(latitudes - wanted)))
        series = pressure[:, row] / 100.0
        departure = series - series.mean(axis=0)
        pixels = coloured(departure, -35.0, 35.0, "RdBu_r").repeat(8, axis=1)
        hemisphere = "N" if wanted > 0 else "S"
        days = len(series) // 24
        for day in range(5, days, 5):
            pixels[day * 24, ::6] = 90
        title = f"msl at {abs(latitudes[row]):.0f}° {hemisphere}, ±35 hPa, {days} days downwards"
        panels.append((f"{title} (synthetic)", pixels))
    return framed(panels, 2)


def plot(
    title: str, x: Values, series: list[tuple[str, Values, str]], size: tuple[int, int] = (420, 300)
) -> Pixels:
    """A small line plot with the range of y written beside it."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = 58, 40, size[0] - 8, size[1] - 24
    everything = np.concatenate([y for _, y, _ in series])
    low, high = float(everything.min()), float(everything.max())

    def at(px: float, py: float) -> tuple[float, float]:
        across = (px - float(x.min())) / float(np.ptp(x))
        return left + across * (right - left), bottom - (py - low) / (high - low) * (bottom - top)

    draw.rectangle((left, top, right, bottom), outline="grey")
    if low < 0 < high:
        draw.line([at(float(x.min()), 0.0), at(float(x.max()), 0.0)], fill="lightgrey")
    draw.text((left, 4), title, fill="black", font=SMALL)
    for value in (low, high):
        draw.text((4, at(float(x[0]), value)[1] - 8), f"{value:.4g}", fill="black", font=SMALL)
    for value in (float(x.min()), float(np.median(x)), float(x.max())):
        draw.text(
            (min(at(value, low)[0] - 24, right - 40), bottom + 4),
            f"{value:.4g}",
            fill="black",
            font=SMALL,
        )
    for i, (label, y, colour) in enumerate(series):
        points = [at(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        draw.line(points, fill=colour, width=2)
        draw.text((left + 150 * i if len(series) < 3 else left + 60 * i, 21), label, colour, SMALL)
    return np.asarray(image)


def climate(folder: Path) -> Image.Image:
    """Zonal means and spread of a year, autocorrelation, day and season."""
    values = np.load(folder / "values.npy", mmap_mode="r")
    grid = named_grid("global-5p625")
    latitude = grid.latitudes
    t2m, u10, v10, msl = (np.asarray(values[:, i], dtype=np.float32) for i in range(4))
    msl = msl / 100.0
    middle = (abs(latitude) > 30) & (abs(latitude) < 65)
    lags = np.arange(0, 97, 3)

    def correlation(field: Values) -> Values:
        part = field[:, middle] - field[:, middle].mean(axis=0)
        variance = float((part**2).mean())
        return np.array(
            [float((part[lag:] * part[: len(part) - lag]).mean()) / variance for lag in lags]
        )

    january, july = slice(0, 31 * 24), slice(181 * 24, 212 * 24)
    west = [("January", u10[january].mean(axis=(0, 2)), "blue")]
    west.append(("July", u10[july].mean(axis=(0, 2)), "red"))
    warm = [("January", t2m[january].mean(axis=(0, 2)) - 273.15, "blue")]
    warm.append(("July", t2m[july].mean(axis=(0, 2)) - 273.15, "red"))
    high = [("January", msl[january].mean(axis=(0, 2)), "blue")]
    high.append(("July", msl[july].mean(axis=(0, 2)), "red"))
    spread = [("msl, hPa", msl.std(axis=0).mean(axis=1), "black")]
    spread += [("v10, m/s", v10.std(axis=0).mean(axis=1), "green")]
    fall = [("msl", correlation(msl), "black"), ("t2m", correlation(t2m), "red")]
    fall += [("u10", correlation(u10), "blue"), ("v10", correlation(v10), "green")]
    row, steppe, ocean = int(np.argmin(abs(latitude - 50))), 12, 58  # 67° E, 34° W
    july_t2m = t2m[july].reshape(-1, 24, *grid.shape).mean(axis=0) - 273.15
    day = [("50° N 67° E, land", july_t2m[:, row, steppe], "red")]
    day += [("50° N 34° W, sea", july_t2m[:, row, ocean], "blue")]
    plots = [
        plot("10 m eastward wind, m/s, by latitude", latitude, west),
        plot("2 m temperature, °C, by latitude", latitude, warm),
        plot("sea level pressure, hPa, by latitude", latitude, high),
        plot("standard deviation in time, by latitude", latitude, spread),
        plot("autocorrelation 30°-65° by lag, h (whole year)", lags.astype(float), fall),
        plot("2 m temperature in July, °C, by hour UTC", np.arange(24.0), day),
    ]
    return framed([("", pixels) for pixels in plots], 3)


def main(arguments: list[str]) -> None:
    """Draw what the arguments allow."""
    start = datetime(2026, 11, 18, 6, tzinfo=UTC)
    run = run_for(2026, start)
    state = load_state(Path(naturerun.__file__).with_name("demo.npz"), run)
    everywhere = sampler(run, MAP).fields(state, NAMES)
    save(
        weather_map(dict(zip(NAMES, everywhere, strict=True)), f"{state.time:%Y-%m-%d %HZ}"),
        "naturerun_weather.png",
    )
    grid = named_grid("global-5p625")
    coarse = sampler(run, grid)
    pressure = [coarse.fields(state, ("msl",))[0] for state in run.states(state, 20 * 24)]
    save(time_longitude(np.stack(pressure), grid.latitudes), "naturerun_time_longitude.png")
    if arguments:
        save(climate(Path(arguments[0])), "naturerun_climate.png")


if __name__ == "__main__":
    main(sys.argv[1:])
