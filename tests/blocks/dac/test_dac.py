"""Codes and their signs, chips, settings; all kinds in the worst conditions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.blocks.config import load_config
from cosim.blocks.dac.characterisation import characterise
from cosim.blocks.dac.chips import draw_chips, nominal_chip
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.extraction import linearity, signed
from cosim.errors import CosimError
from cosim.spice import SimulatorPool


def test_signed_codes() -> None:
    lines = np.array([[0.0, 1.0, 2.0, 3.0], [0.1, 1.2, 2.4, 3.6]])
    np.testing.assert_allclose(signed(lines), [-3.6, -2.4, -1.2, -0.1, 0.9, 1.9, 2.9])


def test_linearity_of_known_levels() -> None:
    codes = np.arange(-3.0, 4.0)
    found = linearity(0.5 * 1.02 * codes + 0.1, 0.5)
    assert found["gain_error"] == pytest.approx(0.02) and found["offset"] == pytest.approx(0.2)
    assert found["inl_max"] < 1e-12 and found["dnl_max"] < 1e-12 and found["monotonic"] == 1.0
    bent = codes + np.array([0, 0, 0, 0, -1.5, 0, 0])
    found = linearity(bent, 1.0)
    slope = np.polyfit(codes, bent, 1)[0]
    assert found["dnl"][3] == pytest.approx(-0.5 / slope - 1) and found["monotonic"] == 0.0


@pytest.mark.parametrize("bits", range(3, 9))
def test_codes_are_those_of_the_architecture(bits: int) -> None:
    config = DacConfig(bits=bits)
    assert config.magnitude == 2 ** (bits - 1) - 1
    # A word of ones stands one step below the reference, and is the full scale.
    top = config.v_clp + (config.high - config.v_clp) * config.magnitude / (config.magnitude + 1)
    assert top == pytest.approx(config.v_clp + config.v_read)


def test_chips_do_not_depend_on_their_number() -> None:
    config = DacConfig()
    few, many = draw_chips(config, 2, 1), draw_chips(config, 5, 1)
    for name in ("legs", "rungs", "capacitors", "mismatch"):
        np.testing.assert_array_equal(getattr(few[1], name), getattr(many[1], name))
        assert (getattr(many[1], name) != getattr(many[2], name)).all()
    other = draw_chips(config.model_copy(update={"kind": "pulse_width"}), 2, 1)
    np.testing.assert_array_equal(other[1].legs, few[1].legs)
    assert other[0].mismatch.shape == (2, 1, 16) and few[0].mismatch.shape == (2, 5, 8)


def test_spread_of_the_parts() -> None:
    """2R is two resistors in series, a capacitor of k units k in parallel."""
    config = DacConfig(bits=6, r_sigma=0.01, c_sigma=0.02)
    chips = draw_chips(config, 500, 4)
    nominal = nominal_chip(config)
    legs, rungs, capacitors = (
        np.array([getattr(chip, name) for chip in chips]) / getattr(nominal, name)
        for name in ("legs", "rungs", "capacitors")
    )
    # 500 draws each: 3.2 % is one sigma of a standard deviation, of some thirty columns here.
    np.testing.assert_allclose(legs.std(axis=0), 0.01 / np.sqrt(2), rtol=0.12)
    np.testing.assert_allclose(rungs.std(axis=0), 0.01, rtol=0.12)
    units = np.array([1, 1, 2, 4, 8, 16])
    np.testing.assert_allclose(capacitors.std(axis=0), 0.02 / np.sqrt(units) * np.ones((2, 1)), rtol=0.12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 9}, "bits"),
        ({"kind": "r-2r"}, "kind"),
        ({"v_read": 0.9}, "must not lie above v_dd"),
        ({"switch": "dac_driver"}, "no subcircuit 'dac_switch'"),
        ({"driver": "nowhere.cir"}, "no such netlist"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CosimError, match=message):
        load_config(DacConfig, None, settings)


def test_a_users_switch_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "own.cir"
    file.write_text("* own\n.subckt dac_switch leg bit high low vdd vss\n.include /etc/passwd\n.ends\n")
    with pytest.raises(CosimError, match=r"own\.cir"):
        load_config(DacConfig, None, {"switch": str(file)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["r2r", "capacitive", "pulse_width"])
@pytest.mark.parametrize("process", ["generic180", "generic65"])
def test_it_works_in_every_corner(process: str, kind: str, pool: SimulatorPool) -> None:
    nominal = DacConfig(process=process).v_dd
    for corner, temperature, share in (("FF", 125, 1.1), ("SS", -40, 0.9), ("SS", 125, 0.9), ("FS", -40, 0.9)):
        config = load_config(
            DacConfig,
            None,
            {
                "process": process, "kind": kind, "bits": 4, "corner": corner, "temperature": temperature,
                "v_dd": share * nominal,
            },
        )  # fmt: skip
        data = characterise(config, chips=0, pool=pool, show_progress=False)
        assert (data["status"].values == 0).all(), (corner, temperature)
        assert float(data["inl_max"][0]) < 0.1 and float(data["monotonic"][0]) == 1.0
