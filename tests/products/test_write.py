from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_disk import small_disk as mounted

from met2net_ops.errors import ProductError
from met2net_ops.products.header import InputFrame
from met2net_ops.products.publish import claim, leftovers
from met2net_ops.products.read import open_product, read_fields, read_header
from met2net_ops.products.write import write_product
from met2net_ops.settings import ProductSettings

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def test_headers_and_values_come_back_as_they_were(product, header, values) -> None:
    read, fields = read_fields(product)
    assert read == header
    assert fields.tobytes() == values.tobytes()
    opened = open_product(product, ["v10", "t2m"])
    assert opened.header == header
    assert list(opened.dataset.data_vars) == ["v10", "t2m"]
    for name in opened.dataset.data_vars:
        expected = values[:, header.variables.index(str(name))]
        assert opened.dataset[name].values.tobytes() == expected.tobytes()
    _, some = read_fields(product, ["msl"])
    assert some.tobytes() == values[:, [header.variables.index("msl")]].tobytes()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    texts=st.fixed_dictionaries(
        dict.fromkeys(("institution", "licence", "references", "device"), TEXT)
    ),
    origin=TEXT,
    findings=st.lists(TEXT, max_size=3),
    numbers=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    rejected=st.booleans(),
    hours=st.integers(1, 24),
)
def test_any_provenance_survives_the_file(
    tmp_path, write, header_with, values_for, texts, origin, findings, numbers, rejected, hours
) -> None:
    header = header_with(
        variables=("t2m",),
        step=timedelta(hours=hours),
        inputs=(InputFrame("t2m", header_with().reference_time, "0f", origin, filled=True),),
        findings=tuple(findings),
        timings=numbers,
        settings={f"k{key}": value for key, value in numbers.items()},
        rejected=rejected,
        **texts,
    )
    path = write(tmp_path / "product.nc", header, values_for(header))
    assert read_header(path) == header


def test_provenance_of_long_windows_fits(tmp_path, write, header_with, values_for) -> None:
    base = header_with()
    inputs = tuple(
        InputFrame(
            name, base.reference_time - timedelta(hours=back), "ab" * 32, "feed/" + 200 * "x"
        )
        for back in range(48)
        for name in base.variables
    )
    header = replace(base, inputs=inputs)
    assert read_header(write(tmp_path / "long.nc", header, values_for(header))) == header


def test_odd_floats_keep_their_bits(tmp_path, write, header_with, values_for) -> None:
    header = header_with(variables=("t2m",))
    values = values_for(header)
    odd = [np.nan, -0.0, np.inf, 1e-45, 9.96921e36, np.finfo(np.float32).max]
    values[0, 0, 0, : len(odd)] = odd
    values.view(np.uint32)[1, 0, 0, 0] = 0x7FC0BEEF  # a NaN with a payload
    _, fields = read_fields(write(tmp_path / "odd.nc", header, values))
    assert fields.tobytes() == values.tobytes()


def test_blocks_out_of_order_or_shape_are_refused(tmp_path, header, values) -> None:
    with write_product(tmp_path / "product.nc", header, ProductSettings()) as writer:
        writer.write(1, values[:3])
        with pytest.raises(ProductError, match="from lead 5 does not follow lead 3 of 7"):
            writer.write(5, values[4:])
        with pytest.raises(ProductError, match="does not follow"):
            writer.write(4, values[3:, :2])
        with pytest.raises(ProductError, match="does not follow"):
            writer.write(4, values[:5])
        with pytest.raises(ProductError, match="ended at lead 3 of 7"):
            writer.finish(header)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_published_leaves_nothing(tmp_path, header, values) -> None:
    def interrupted() -> None:
        with write_product(tmp_path / "a.nc", header, ProductSettings()) as writer:
            writer.write(1, values)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_value_changed_on_the_way_is_noticed(tmp_path, header, values) -> None:
    path = tmp_path / "product.nc"
    with write_product(path, header, ProductSettings()) as writer:
        writer.write(1, values)
        writer.finish(header)
        (temporary,) = leftovers(path)
        with netCDF4.Dataset(temporary, "a") as dataset:
            dataset["u10"].set_auto_maskandscale(False)
            dataset["u10"][4, 2, 3] = np.nextafter(dataset["u10"][4, 2, 3], np.float32(1e9))
        with pytest.raises(ProductError, match=r"other values .*\(u10\)"):
            writer.verify()
    assert list(tmp_path.iterdir()) == []


def test_a_codec_this_build_lacks_is_explained(tmp_path, header, values) -> None:
    def zstd() -> Path:
        wanted = ProductSettings(compression="zstd")
        with write_product(tmp_path / "z.nc", header, wanted) as writer:
            writer.write(1, values)
            writer.finish(header)
            writer.verify()
            return writer.publish()

    if _has_zstd(tmp_path / "probe.nc"):
        assert read_fields(zstd())[1].tobytes() == values.tobytes()
    else:
        with pytest.raises(ProductError, match='set compression = "zlib"'):
            zstd()
        assert list(tmp_path.iterdir()) == []


def _has_zstd(probe: Path) -> bool:
    with netCDF4.Dataset(probe, "w") as dataset:
        dataset.createDimension("x", 1)
        try:
            dataset.createVariable("x", "f4", ("x",), compression="zstd")
        except RuntimeError:
            return False
        else:
            return True
        finally:
            probe.unlink()


def test_two_processes_cannot_write_one_product(tmp_path, header) -> None:
    path = tmp_path / "product.nc"
    with claim(path):
        with (
            pytest.raises(ProductError, match="another process is writing"),
            write_product(path, header, ProductSettings()),
        ):
            pass
        assert [entry.name for entry in tmp_path.iterdir()] == [".product.nc.lock"]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of half a megabyte."""
    with mounted(tmp_path / "disk", "512k") as folder:
        if folder is None:
            pytest.skip("mounting a file system needs rights this process does not have")
        yield folder


def test_a_full_disk_is_said_and_leaves_the_old_product_alone(
    small_disk, write, header_with, values_for
) -> None:
    path = small_disk / "products/product.nc"
    small = header_with(variables=("t2m",))
    write(path, small, values_for(small))
    before, room = path.read_bytes(), os.statvfs(small_disk).f_bavail
    grid = replace(small.grid, nlat=60, nlon=60)
    large = header_with(grid=grid)
    with pytest.raises(ProductError, match=r"product\.nc: the disk is full") as raised:
        write(path, large, values_for(large))
    assert raised.value.exit_code == 8
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before
    assert os.statvfs(small_disk).f_bavail == room
    again = header_with(variables=("t2m",), model="other")
    write(path, again, values_for(again))
    assert read_header(path).model == "other"


def test_a_quota_is_said_too(tmp_path, write, header_with, values_for) -> None:
    large = header_with(grid=replace(header_with().grid, nlat=60, nlon=60))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(ProductError, match="check permissions, quota and disk"):
            write(tmp_path / "product.nc", large, values_for(large))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_explained(tmp_path, write, header, values) -> None:
    (tmp_path / "products").write_text("not a folder")
    with pytest.raises(ProductError, match=r"cannot write .*products/a\.nc"):
        write(tmp_path / "products/a.nc", header, values)
