from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import netCDF4
import numpy as np
import pytest

from met2net_ops.errors import ProductError
from met2net_ops.products.read import open_product, read_fields, read_header, read_reduced


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ProductError, match=r"gone\.nc: no such product"):
        open_product(tmp_path / "gone.nc")


@pytest.mark.parametrize("content", [b"", b"GRIB", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_files_that_are_no_netcdf_are_named(tmp_path, content: bytes) -> None:
    path = tmp_path / "odd.nc"
    path.write_bytes(content)
    for read in (open_product, read_fields, read_header):
        with pytest.raises(ProductError, match=r"odd\.nc"):
            read(path)


def test_a_product_cut_anywhere_is_refused(product) -> None:
    whole = product.read_bytes()
    for part in np.linspace(0, len(whole) - 1, 12).astype(int):
        product.write_bytes(whole[:part])
        with pytest.raises(ProductError, match=product.name):
            read_fields(product)


def test_flipped_bytes_never_give_other_values(tmp_path, write, header_with, values_for) -> None:
    header = header_with(variables=("t2m", "u10"), inputs=())
    values = values_for(header)
    product = write(tmp_path / "product.nc", header, values)
    whole = bytearray(product.read_bytes())
    rng = np.random.default_rng(7)
    complaints = []
    for position in rng.integers(0, len(whole), 200):
        damaged = whole.copy()
        damaged[position] ^= 0xFF
        product.write_bytes(damaged)
        try:
            read, fields = read_fields(product)
        except ProductError as error:
            complaints.append(str(error))
            continue
        # What was flipped is text of an attribute or unused space, never a field.
        assert fields.tobytes() == values.tobytes()
        assert read.variables == header.variables
    assert len(complaints) > 5
    assert all(product.name in complaint for complaint in complaints)


def test_netcdf_of_others_is_refused(tmp_path) -> None:
    path = tmp_path / "other.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("time", 3)
    with pytest.raises(ProductError, match=r"other\.nc: it is no met2net-ops product"):
        read_header(path)


def test_another_layout_is_refused(product) -> None:
    with netCDF4.Dataset(product, "a") as dataset:
        dataset.met2net_layout = 99
    with pytest.raises(ProductError, match="layout 99, this version reads 1"):
        read_header(product)


def test_variables_it_lacks_are_named(product) -> None:
    for read in (open_product, read_fields):
        with pytest.raises(ProductError, match="it has no snow, only t2m"):
            read(product, ["t2m", "snow"])


def test_many_threads_may_read_at_once(shared_product, values) -> None:
    def read(number: int) -> bytes:
        if number % 4 == 0:
            open_product(shared_product)
        return read_fields(shared_product)[1].tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(32))) == {values.tobytes()}


def test_reduced_fields_are_parts_of_whole_ones(shared_product, values) -> None:
    def corner(field: np.ndarray) -> np.ndarray:
        return field[:2, -3:]

    names = read_header(shared_product).variables
    for every in (1, 2, 100):
        header, found = read_reduced(shared_product, names[::-1], corner, every=every)
        first = min(every, header.leads) - 1
        for column, name in enumerate(names):
            expected = values[first::every, column, :2, -3:]
            np.testing.assert_array_equal(found[name], expected)


def test_reduced_reading_notices_flipped_values(product) -> None:
    with netCDF4.Dataset(product, "a") as raw:
        raw["t2m"][0, 0, 0] = 1.0
    with pytest.raises(ProductError, match="not those that were written"):
        read_reduced(product, ["t2m"], lambda field: field[:1])
