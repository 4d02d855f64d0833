"""Finding models by name: the workspace's first, then the shipped ones.

A workspace's own model hides a shipped one of the same name, so that an upgrade of the package
never changes which weights a deployment runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from met2net_ops.errors import ModelError
from met2net_ops.models.folder import ModelFolder, read_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = Path(__file__).parent / "shipped"

Origin = Literal["workspace", "shipped"]


@dataclass(frozen=True)
class ListedModel:
    """One model folder as found.

    Attributes:
        name: of the folder.
        origin: where it was found.
        path: the folder.
        folder: what it describes, or None if that cannot be read.
        problem: why it cannot be used, or "".
    """

    name: str
    origin: Origin
    path: Path
    folder: ModelFolder | None
    problem: str


def list_models(workspace_models: Path | None) -> list[ListedModel]:
    """Every model folder, damaged ones with the reason, sorted by name."""
    found: dict[str, ListedModel] = {}
    for origin, path in _folders(workspace_models):
        listed = _listed(path, origin)
        if path.name in found:
            hidden = f"hidden by {found[path.name].path}"
            found[f"{path.name} {origin}"] = ListedModel(
                path.name, origin, path, listed.folder, listed.problem or hidden
            )
        else:
            found[path.name] = listed
    return [found[key] for key in sorted(found)]


def find_model(name: str, workspace_models: Path | None) -> ModelFolder:
    """The model of that name.

    Raises:
        ModelError: none, or its folder is damaged.
    """
    names = []
    for _, path in _folders(workspace_models):
        if path.name == name:
            return read_folder(path)
        names.append(path.name)
    if "/" in name or Path(name).is_dir():
        raise ModelError(
            f"no model is called {name!r}: that is a path. `met2net-ops models install {name}` "
            "puts a model folder into the workspace; then it is found by the folder's name"
        )
    known = ", ".join(sorted(set(names))) or "none at all"
    where = " and ".join(str(place) for place in (workspace_models, SHIPPED) if place)
    raise ModelError(f"no model is called {name!r}; there are {known} (looked in {where})")


def _folders(workspace_models: Path | None) -> Iterator[tuple[Origin, Path]]:
    places: tuple[tuple[Origin, Path | None], ...] = (
        ("workspace", workspace_models),
        ("shipped", SHIPPED),
    )
    for origin, place in places:
        if place is not None and place.is_dir():
            for path in sorted(place.iterdir()):
                if path.is_dir() and not path.name.startswith((".", "_")):
                    yield origin, path


def _listed(path: Path, origin: Origin) -> ListedModel:
    try:
        return ListedModel(path.name, origin, path, read_folder(path), "")
    except ModelError as error:
        return ListedModel(path.name, origin, path, None, str(error))
