from pathlib import Path

import pytest

from cosim import resources
from cosim.errors import CosimError


def test_a_shipped_netlist_is_found_by_name_with_or_without_suffix() -> None:
    for name in resources.netlist_names():
        assert resources.netlist_path(name) == resources.netlist_path(f"{name}.cir")
        assert resources.read_netlist(name).startswith("*")
    assert "integrator" in resources.netlist_names()


def test_a_netlist_of_the_user_is_found_by_path(tmp_path: Path) -> None:
    mine = tmp_path / "comparator.cir"
    mine.write_text("* mine\n")
    assert resources.netlist_path(mine) == mine
    assert resources.read_netlist(str(mine)) == "* mine\n"


def test_an_unknown_netlist_is_answered_with_the_nearest_and_the_list() -> None:
    with pytest.raises(CosimError) as caught:
        resources.netlist_path("integratr")
    message = str(caught.value)
    assert "Did you mean 'integrator'?" in message
    assert all(name in message for name in resources.netlist_names())


def test_a_netlist_that_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.cir").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CosimError, match="cannot read this netlist"):
        resources.read_netlist(tmp_path / "x.cir")


def test_a_device_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert (resources.device_folder("taox_1t1r") / "model.cir").is_file()
    (tmp_path / "parameters.toml").touch()
    assert resources.device_folder(tmp_path) == tmp_path


def test_an_unknown_device_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="Did you mean 'taox_1t1r'"):
        resources.device_folder("taox")
    with pytest.raises(CosimError, match=r"holds no parameters\.toml"):
        resources.device_folder(tmp_path)


def test_an_installed_package_carries_the_folders_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "cosim"
    (package / "netlists").mkdir(parents=True)
    (package / "netlists" / "part.cir").write_text("* part\n")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.netlist_names() == ["part"]
    with pytest.raises(CosimError, match="install cosim again"):
        resources.device_names()


def test_a_shipped_file_is_found_or_the_list_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "ramp_adc.json").touch()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    assert resources.shipped("ramp_adc.json").is_file()
    with pytest.raises(CosimError, match=r"Did you mean 'ramp_adc\.json'\? Allowed: ramp_adc\.json"):
        resources.shipped("ramp_adc.jsn")
