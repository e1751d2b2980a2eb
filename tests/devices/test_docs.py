"""docs/devices.md: its table and pictures are complete, and what it shows runs."""

import re
from pathlib import Path

import numpy as np
import pytest

from cosim.devices import load_device
from cosim.devices.laws import DRIFT, NOISE, PROGRAMMING
from cosim.devices.parameters import UNITS
from cosim.devices.pulses import SetPulses
from cosim.resources import device_names

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "devices.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", device_names())
def test_every_device_has_a_row_and_a_small_picture(name: str) -> None:
    assert f"](../device_models/{name}/README.md) |" in PAGE
    assert f"](images/devices/{name}.png)" in PAGE
    picture = DOCS / "images" / "devices" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 60_000


def test_every_table_and_parameter_of_a_device_is_explained() -> None:
    for key in UNITS:
        assert f"`{key}`" in PAGE
    for table, laws in (("programming", PROGRAMMING), ("drift", DRIFT), ("noise", NOISE)):
        for name in laws:
            assert f"| `[{table}]` | `{name}` |" in PAGE
    for name in SetPulses.UNITS:
        assert f"`{name}`" in PAGE


def test_the_example_runs() -> None:
    names: dict[str, object] = {}
    exec(block("python"), names)
    cells, seen = np.asarray(names["cells"]), np.asarray(names["seen"])
    assert seen.shape == (1000,)
    assert 0.5 * cells.mean() < seen.mean() < cells.mean()  # a day's drift, 0.049 decades a decade


def test_a_device_written_by_the_page_loads(tmp_path: Path) -> None:
    head, _, g_max = block("toml").partition("[g_max]\n")
    entry = 'value = "{}"\nsource = "me"\nvalid = ["0 {}", "1 {}"]\ndescription = "it"\n'
    tables = "".join(
        f"[{key}]\n" + entry.format(f"{value} {unit}", unit, unit)
        for key, value, unit in (
            ("g_min", 2e-6, "S"), ("g_lowest", 0, "S"), ("g_highest", 2e-4, "S"), ("v_read", 0.1, "V"),
            ("v_0", 0.25, "V"), ("programming_sigma", 1e-6, "S"), ("read_noise", 0.01, ""),
        )
    )  # fmt: skip
    (tmp_path / "parameters.toml").write_text(head + "[g_max]\n" + g_max + tables)
    (tmp_path / "model.cir").write_text("* my cell\n" + block("spice"))
    device = load_device(tmp_path)
    assert (device.name, device.g_max, device.stuck_on_rate) == ("my_cell", 120e-6, 0.0)
