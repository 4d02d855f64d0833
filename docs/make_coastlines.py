"""Write the coastlines of the maps from Natural Earth, as npm's world-atlas packs it.

Natural Earth is in the public domain; world-atlas 2.0.2 holds its version 4.1.0 as TopoJSON.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python docs/make_coastlines.py package app/assets/coastlines.npz

The result has one array per scale, (points, 2) int16: longitude and latitude in hundredths of a
degree; lines are separated by a row of 32767. Edges along the antimeridian and the South Pole,
which close polygons but are no coast, are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

BREAK = 32767


def lines(topology: dict) -> list[np.ndarray]:
    """Every coast of a TopoJSON file, (points, 2) degrees east and north.

    Arcs are delta-encoded integers (TopoJSON specification, section 2.1.3).
    """
    scale, offset = (np.array(topology["transform"][k]) for k in ("scale", "translate"))
    found = []
    for arc in topology["arcs"]:
        line = np.cumsum(np.array(arc), axis=0) * scale + offset
        edge = (np.abs(line[:, 0]) > 179.99) | (line[:, 1] < -89.9)
        leap = np.abs(np.diff(line[:, 0])) > 180.0  # across the antimeridian
        cut = np.flatnonzero((edge[:-1] & edge[1:]) | leap) + 1
        found += [part for part in np.split(line, cut) if len(part) > 1]
    return found


def main(source: Path, target: Path) -> None:
    """Pack the 1:110 million and the 1:50 million coastlines."""
    packed = {}
    for scale in ("110m", "50m"):
        rows = []
        for line in lines(json.loads((source / f"land-{scale}.json").read_text())):
            rows += [np.rint(line * 100).astype(np.int16), np.int16([[BREAK, BREAK]])]
        packed[f"land_{scale}"] = np.concatenate(rows)
    np.savez_compressed(target, **packed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
