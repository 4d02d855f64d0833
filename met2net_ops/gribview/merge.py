"""Variables become one Dataset where they share their coordinates, else a DataTree."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr


def merge(
    variables: Sequence[xr.DataArray], attributes: dict[str, Any]
) -> xr.Dataset | xr.DataTree:
    """One object of all variables.

    Args:
        variables: named, in file order; their level type is in the attribute GRIB_typeOfLevel.
        attributes: of the whole.

    Returns:
        A Dataset where all fit into one. Else a DataTree: a node per type of level, such as
        `surface`, and further ones (`surface_2`) for variables of a name that is taken there, or
        on other times, levels or grids.
    """
    import xarray as xr

    nodes = _fill(variables)
    if len(nodes) == 1:
        return _dataset(nodes[0]).assign_attrs(attributes)
    by_level: dict[str, list[xr.DataArray]] = defaultdict(list)
    for variable in variables:
        by_level[str(variable.attrs["GRIB_typeOfLevel"])].append(variable)
    tree = {"/": xr.Dataset(attrs=attributes)}
    for level, group in by_level.items():
        for number, node in enumerate(_fill(group), 1):
            tree[f"/{level}" if number == 1 else f"/{level}_{number}"] = _dataset(node)
    return xr.DataTree.from_dict(tree)


def _fill(variables: Sequence[xr.DataArray]) -> list[list[xr.DataArray]]:
    """Each variable goes into the first node it fits into."""
    nodes: list[list[xr.DataArray]] = []
    for variable in variables:
        for node in nodes:
            if all(_fit(variable, other) for other in node):
                node.append(variable)
                break
        else:
            nodes.append([variable])
    return nodes


def _fit(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether both can stand in one Dataset without a value or a scalar coordinate changing."""
    if one.name == other.name:
        return False
    scalars = (
        {str(key) for key, c in array.coords.items() if not c.ndim} for array in (one, other)
    )
    if set.symmetric_difference(*scalars):
        return False
    shared = set(one.coords) & set(other.coords)
    sizes = set(one.dims) & set(other.dims)
    return all(one.sizes[dim] == other.sizes[dim] for dim in sizes) and all(
        one.coords[key].variable.equals(other.coords[key].variable) for key in shared
    )


def _dataset(node: Sequence[xr.DataArray]) -> xr.Dataset:
    import xarray as xr

    coordinates = {key: c.variable for array in node for key, c in array.coords.items()}
    return xr.Dataset({array.name: array.variable for array in node}, coords=coordinates)
