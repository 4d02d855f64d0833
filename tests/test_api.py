"""The Python API: what it exports, what importing it loads, and that its documents run."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import met2net_ops as m2n
from met2net_ops import demo, errors

ROOT = Path(__file__).parents[1]


def test_every_name_is_there_and_listed_once() -> None:
    assert len(set(m2n.__all__)) == len(m2n.__all__)
    for name in m2n.__all__:
        assert getattr(m2n, name) is not None
        assert name in dir(m2n)
    with pytest.raises(AttributeError, match="no attribute 'forecast_everything'"):
        _ = m2n.forecast_everything  # type: ignore[attr-defined]


def test_the_whole_error_family_is_exported() -> None:
    family = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.Met2NetOpsError)
    }
    assert family <= set(m2n.__all__)


def test_the_typing_twin_names_what_is_exported() -> None:
    text = (ROOT / "met2net_ops" / "__init__.py").read_text(encoding="utf-8")
    twin = text[text.index("if TYPE_CHECKING:") : text.index("__all__")]
    imported = set(re.findall(r"^\s+(\w+),$", twin, re.M))
    imported |= {
        name.strip()
        for line in re.findall(r"^    from \S+ import ([^(\n]+)$", twin, re.M)
        for name in line.split(",")
    }
    assert imported == set(m2n.__all__)


def test_importing_loads_one_module_of_ours_and_nothing_heavy() -> None:
    program = """
import sys
import met2net_ops
ours = [name for name in sys.modules if name.startswith("met2net_ops")]
heavy = {"torch", "xarray", "numpy", "pandas"} & set(sys.modules)
assert ours == ["met2net_ops"], ours
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> m2n.Workspace:
    made = demo.open_demo(tmp_path_factory.mktemp("api") / "demo")
    demo.deliver(made, demo.FEED_START, demo.CYCLES[0] + 6 * demo.HOUR)
    return made


def test_the_loop_by_functions(workspace: m2n.Workspace) -> None:
    report = m2n.ingest_files(workspace)
    assert not report.refused_something
    cycle = demo.CYCLES[0]
    result = m2n.run_cycle(workspace, cycle, model="persistence", leads=3)
    product = m2n.open_product(result.path)
    assert product.sizes["time"] == 3
    with xr.open_dataset(result.path) as plain:
        np.testing.assert_array_equal(plain["t2m"], product["t2m"])
    frames = m2n.open_archive(workspace)
    xr.testing.assert_equal(frames, xr.open_zarr(workspace.archive_url, chunks=None))
    (entry,) = m2n.list_products(workspace, model="persistence")
    assert entry.reference_time == cycle
    (outcome,) = m2n.verify(workspace, model="persistence")
    assert outcome.status == "final"
    table = m2n.summary(workspace, model="persistence")
    assert set(table["lead_hours"]) == {1, 2, 3}
    assert (table["rmse"] >= 0).all()


def test_options_that_are_wrong_are_named(workspace: m2n.Workspace) -> None:
    with pytest.raises(m2n.ModelError, match="needs the name of a model"):
        m2n.load_model()
    with pytest.raises(m2n.SettingsError, match="leads"):
        m2n.run_cycle(workspace, leads=-1)
    with pytest.raises(m2n.TimeFormatError):
        m2n.run_cycle(workspace, "yesterday", model="persistence")


def code_blocks(document: Path) -> str:
    """Every Python block of a page, one after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.S))


def test_the_quickstart_runs_as_it_stands(
    workspace: m2n.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").symlink_to(workspace.root)
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "quickstart.py"
    program.write_text(code_blocks(ROOT / "docs" / "api.md"), encoding="utf-8")
    names = runpy.run_path(str(program))
    assert names["forecast"].sizes["time"] == 6
    assert not names["scores"].empty


def test_the_example_runs(
    workspace: m2n.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MET2NET_WORKSPACE", str(workspace.root))
    names = runpy.run_path(str(ROOT / "docs" / "examples" / "forecast_and_verify.py"))
    assert list(names["ratio"].index) == list(names["scores"]["variable"].unique())
