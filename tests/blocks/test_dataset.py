import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cosim.blocks import dataset
from cosim.blocks.dataset import (
    config_of,
    deck_hashes,
    failed_points,
    load_dataset,
    new_dataset,
    save_dataset,
)
from cosim.errors import CosimError


def made(decks: int = 3, **changes: Any) -> xr.Dataset:
    rng = np.random.default_rng(0)
    parts: dict[str, Any] = {
        "block": "ramp_adc",
        "variables": {
            "threshold": (("chip", "code"), rng.normal(size=(4, 31)), "V", "input at which the code changes"),
            "delay": ("chip", [1e-9, np.nan, 2e-9, 3e-9], "s", "delay of the comparator"),
            "energy": ((), 1e-12, "J", "energy of one conversion"),
            "kept_log": ("chip", ["", "no convergence", "", ""], "1", "line of the log of a failure"),
            "calibrated": ("chip", [True, False, True, True], "1", "whether the chip was calibrated"),
            "status": ("chip", np.array([0, 3, 0, 0], dtype=np.int8), "1", "0 for success"),
        },
        "coords": {
            "code": ("code", np.arange(1, 32), "1", "threshold k"),
            "v_read": ("chip", [0.15, 0.2, 0.25, 0.2], "V", "read voltage"),
        },
        "config": {"bits": 5, "v_read": np.float64(0.1), "function": "sigmoid"},
        "seed": 2**100 + 1,
        "deck_hashes": [f"{number:064x}" for number in range(decks)],
        "simulator": "ngspice 46",
        "solver": "KLU",
        "device": "taox_1t1r",
        "device_sha256": "ab" * 32,
    }
    return new_dataset(**{**parts, **changes})


@pytest.mark.parametrize("decks", [0, 3, 880, 5000])
def test_a_data_set_comes_back_as_it_was(tmp_path: Path, decks: int) -> None:
    data = made(decks)
    path = save_dataset(data, tmp_path / "new" / "ramp_adc.nc")
    again = load_dataset(path, "ramp_adc")
    assert again.identical(data)
    assert deck_hashes(again) == tuple(f"{number:064x}" for number in range(decks))
    assert os.listdir(path.parent) == ["ramp_adc.nc"]


@settings(max_examples=25, deadline=None)
@given(values=arrays(np.float64, (40, 30), elements=st.floats(allow_infinity=True, allow_nan=True)))
def test_floats_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("bits") / "x.nc"
    variables = {"x": (("a", "b"), values, "A", "current"), "status": ("a", np.zeros(40, int), "1", "0 = ok")}
    save_dataset(made(variables=variables, coords={}), path)
    np.testing.assert_array_equal(load_dataset(path)["x"].values.view(np.uint64), values.view(np.uint64))


def test_it_says_where_it_comes_from() -> None:
    data = made()
    assert set(dataset.REQUIRED_ATTRIBUTES) <= set(data.attrs)
    assert data.attrs["schema"] == "cosim.dataset/1"
    assert data.attrs["seed"] == str(2**100 + 1)
    assert made(seed=None).attrs["seed"] == "none"
    assert config_of(data) == {"bits": 5, "v_read": 0.1, "function": "sigmoid"}
    assert data["delay"].attrs == {"units": "s", "long_name": "delay of the comparator"}


def test_failed_points_are_counted_and_kept() -> None:
    assert failed_points(made()) == 1
    assert made().sizes["chip"] == 4


def test_the_hash_of_simulations_is_readable_in_both_places() -> None:
    assert "deck_hash" not in made(800).variables
    assert made(1000).attrs["deck_hashes"] == "in variable deck_hash"


def refused(data: xr.Dataset, path: Path) -> str:
    with pytest.raises(CosimError) as caught:
        save_dataset(data, path)
    assert not path.exists()
    return str(caught.value)


def without_attribute(name: str) -> Callable[[xr.Dataset], Any]:
    return lambda data: data.attrs.pop(name)


def without_unit(name: str) -> Callable[[xr.Dataset], Any]:
    return lambda data: data[name].attrs.pop("units")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_attribute("schema"), "it states no schema"),
        (
            lambda data: data.attrs.update(schema="cosim.dataset/2"),
            "value 'cosim.dataset/2': this schema is unknown",
        ),
        (without_attribute("simulator"), "key 'simulator': the data set lacks this attribute"),
        (lambda data: data.attrs.update(seed=3), "key 'seed': value 3: this attribute must be text"),
        (lambda data: data.attrs.update(config="{"), "key 'config': this attribute is not JSON"),
        (lambda data: data.attrs.update(config="[]"), "key 'config': this attribute must be a JSON dict"),
        (lambda data: data.attrs.update(config="1" * 70_000), "key 'config': too long for an attribute"),
        (
            lambda data: data.attrs.update(deck_hashes="in variable deck_hash"),
            "lacks the variable 'deck_hash'",
        ),
        (without_unit("threshold"), "key 'threshold': this variable has no units"),
        (without_unit("v_read"), "key 'v_read': this variable has no units"),
        (
            lambda data: data["delay"].attrs.update(long_name=""),
            "key 'delay': this variable has no long_name",
        ),
        (lambda data: data.__delitem__("status"), "lacks the variable 'status'"),
    ],
)
def test_what_breaks_the_contract_is_not_written(tmp_path: Path, spoil: Callable[[xr.Dataset], Any], says: str) -> None:
    data = made()
    spoil(data)
    assert says in refused(data, tmp_path / "x.nc")


def test_a_status_of_floats_is_refused() -> None:
    variables = {"status": ("chip", [0.0, np.nan], "1", "0 = ok")}
    with pytest.raises(CosimError, match="must hold integers"):
        made(variables=variables, coords={})


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match=r"x\.nc: no such data set"):
        load_dataset(tmp_path / "x.nc")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89HDF\r\n\x1a\n" + bytes(40), b"CDF\x01" + bytes(40)])
def test_a_file_that_is_no_netcdf_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.nc").write_bytes(content)
    with pytest.raises(CosimError, match=r"x\.nc: not a NetCDF file"):
        load_dataset(tmp_path / "x.nc")


def test_a_cut_off_file_is_one_clear_error(tmp_path: Path) -> None:
    path = save_dataset(made(), tmp_path / "x.nc")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CosimError, match="not a NetCDF file"):
        load_dataset(path)


def test_a_netcdf_file_of_somebody_else_is_one_clear_error(tmp_path: Path) -> None:
    xr.Dataset({"x": ("a", [1.0, 2.0])}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(CosimError, match="it states no schema"):
        load_dataset(tmp_path / "x.nc")


def test_another_block_is_refused(tmp_path: Path) -> None:
    path = save_dataset(made(), tmp_path / "x.nc")
    with pytest.raises(CosimError, match=r"value 'ramp_adc': this data set is of another block\. Allowed: crossbar"):
        load_dataset(path, "crossbar")


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CosimError, match="cannot write this file"):
        save_dataset(made(), tmp_path / "file" / "x.nc")
