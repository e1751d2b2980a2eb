"""Data sets that are none, are damaged, are of another kind, or hold too little for a fit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.blocks.dataset import load_dataset, save_dataset
from cosim.errors import CosimError

from .conftest import Refuse


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such data set"),
        (lambda path: path.mkdir(), "no such data set"),
        (lambda path: path.write_text("chip,threshold\n1,0.2\n"), "not a NetCDF file"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 64), "not a NetCDF file"),
    ],
)
def test_a_data_set_that_is_none(refused: Refuse, tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    make(tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", says))


def test_a_data_set_of_another_schema(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    for schema in ("cosim.dataset/2", "something else"):
        data.attrs["schema"] = schema
        data.to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
        refused("fit", "adc.nc", says=("adc.nc", "'schema'", schema, "cosim.dataset/1"))


def test_a_data_set_of_an_unknown_block(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    data.attrs["block"] = "ramp_dac"
    data.to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
    refused("fit", "adc.nc", says=("adc.nc", "'ramp_dac'", "Did you mean 'ramp_adc'?"))


def test_a_data_set_of_another_block(data_set: Path) -> None:
    with pytest.raises(CosimError, match="another block") as caught:
        load_dataset(data_set, "crossbar")
    assert (caught.value.file, caught.value.value, caught.value.allowed) == (str(data_set), "ramp_adc", "crossbar")


def test_too_few_chips_for_a_fit(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    save_dataset(data.isel(sample=data["chip"].values < 1), tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", "'chips'", "value 1", "2 or more beside the nominal chip"))


def test_failed_points_are_not_passed_over(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    data["status"].values[2] = 1
    save_dataset(data, tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", "1 of 5 samples", "--allow-failed"))


def test_a_truncated_data_set(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    content = data_set.read_bytes()
    (tmp_path / "adc.nc").write_bytes(content[: len(content) // 2])
    refused("fit", "adc.nc", says=("adc.nc", "not a NetCDF file"))
