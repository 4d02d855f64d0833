"""Write the tables of docs/variables.md from the code: `python docs/make_variables_table.py`."""

from __future__ import annotations

from pathlib import Path

from met2net_ops.derive import DERIVATIONS
from met2net_ops.variables import VARIABLES, Grib1Key, Grib2Key, Variable, VerticalKind

PAGE = Path(__file__).with_name("variables.md")
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"


def level(row: Variable) -> str:
    """Where it lives, for people."""
    kind, value = row.vertical.kind, row.vertical.value
    return {
        VerticalKind.HEIGHT: f"{value:g} m",
        VerticalKind.PRESSURE: f"{value:g} hPa",
        VerticalKind.MEAN_SEA: "mean sea",
        VerticalKind.SURFACE: "surface",
        VerticalKind.COLUMN: "column",
    }[kind]


def key_text(key: Grib1Key | Grib2Key) -> str:
    """A key as the table shows it."""
    if isinstance(key, Grib2Key):
        text = f"{key.discipline}/{key.category}/{key.number}"
        text += " per s" if key.rate else ""
    else:
        text = f"{key.table}/{key.indicator}"
    text += " \\*" if key.named_level else ""
    text += f" ({key.centre})" if key.centre else ""
    return text + (f" x {key.scale:g}" if key.scale != 1 else "")


def tables() -> dict[str, str]:
    """Name of each generated table → its Markdown."""
    rows = [
        (
            "| name | what | unit | level | GRIB2 d/c/n | GRIB1 table/indicator | shortName | "
            "hard limits | soft limits |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in VARIABLES.values():
        cells = (
            f"`{row.name}`",
            row.long_name,
            row.units,
            level(row),
            ", ".join(key_text(key) for key in row.grib2) or "-",
            ", ".join(key_text(key) for key in row.grib1) or "-",
            ", ".join(row.short_names) or "-",
            f"{row.hard.low:g} … {row.hard.high:g}",
            f"{row.soft.low:g} … {row.soft.high:g}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    derived = ["| variable | from | function in `met2net_ops.derive` |", "|---|---|---|"]
    for derivation in DERIVATIONS:
        inputs = ", ".join(f"`{name}`" for name in derivation.inputs)
        name = derivation.function.__name__.lstrip("_")
        derived.append(f"| `{derivation.target}` | {inputs} | `{name}` |")
    return {"variables": "\n".join(rows), "derivations": "\n".join(derived)}


def fill(page: str) -> str:
    """The page with its generated tables renewed."""
    for name, table in tables().items():
        begin = BEGIN.format(name)
        head, rest = page.split(begin, 1)
        tail = rest.split(END, 1)[1]
        page = f"{head}{begin}\n{table}\n{END}{tail}"
    return page


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
