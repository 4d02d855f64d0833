"""Which rooms may import which: nothing imports what lies above it, types included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "met2net_ops"
ROOMS = ("models", "app", "cli")

# From the bottom up. A module belongs to the first entry that its name begins with.
SERVICE = (
    ("clock", "lock", "backoff", "wakeup", "storage"),
    ("ledger",),
    ("workers",),
    ("scheduler",),
    ("monitoring",),
    # The front: what commands and pages call.
    (
        "feed_watch", "retained_data", "retention", "operator", "reload", "integrations", "loop",
        "service",
    ),
)  # fmt: skip

VERIFICATION = ("inputs", "store", "outcome", "compute", "results", "report")  # below the front


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Modules of this package that a file imports: anywhere, or only when it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _at_import(tree) if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("met2net_ops"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("met2net_ops"):
            assert node.module is not None
            yield from (f"{node.module}.{one.name}" for one in node.names)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when a module is imported: not in functions, not for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _at_import(node)


def floor(name: str) -> int | None:
    """How high a module of the service lies; None for others and for the package itself."""
    parts = name.split(".")
    if parts[:2] != ["met2net_ops", "service"] or len(parts) < 3:
        return None
    for height, names in enumerate(SERVICE):
        if parts[2] in names:
            return height
    raise AssertionError(f"{name} has no floor: add it to SERVICE")


def test_rooms_of_the_service_import_only_what_lies_below_them() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in modules(PACKAGE / "service")
        for other in imports(path)
        if (own := floor(name)) is not None and (its := floor(other)) is not None and its > own
    ]
    assert wrong == []


def test_the_ledger_imports_no_other_room_of_the_service() -> None:
    wrong = {
        f"{name} imports {other}"
        for name, path in modules(PACKAGE / "service" / "ledger")
        for other in imports(path)
        if other.startswith("met2net_ops.service.")
        and not other.startswith("met2net_ops.service.ledger.")
    }
    assert wrong == set()


def test_the_domain_imports_no_models_commands_or_pages() -> None:
    """`models` may import the domain, `app` and `cli` may import both, never the other way."""
    wrong = []
    for name, path in modules(PACKAGE):
        if name.split(".")[1:2] and name.split(".")[1] in ROOMS:
            continue
        for other in imports(path, top_level=True):
            above = other.split(".")[1:2]
            if above and above[0] in ROOMS:
                wrong.append(f"{name} imports {other}")
    for name, path in modules(ROOT / "models"):
        wrong += [
            f"{name} imports {other}"
            for other in imports(path, top_level=True)
            if other.startswith(("met2net_ops.app", "met2net_ops.cli"))
        ]
    assert wrong == []


def test_rooms_of_verification_import_only_what_lies_below_them() -> None:
    def height(name: str) -> int | None:
        parts = name.split(".")
        if parts[:2] != ["met2net_ops", "verification"] or len(parts) < 3:
            return None
        return VERIFICATION.index(parts[2]) if parts[2] in VERIFICATION else len(VERIFICATION)

    wrong = [
        f"{name} imports {other}"
        for name, path in modules(PACKAGE / "verification")
        for other in imports(path)
        if (own := height(name)) is not None and (its := height(other)) is not None and its > own
    ]
    assert wrong == []
