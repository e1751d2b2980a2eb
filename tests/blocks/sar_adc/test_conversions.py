"""Whole conversions in ngspice, with the loop closed."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks.sar_adc.array import ideal_capacitors, levels, switching_energy, transition_levels
from cosim.blocks.sar_adc.characterisation import codes_of, energies_of
from cosim.blocks.sar_adc.config import SarAdcConfig
from cosim.blocks.sar_adc.netlist import conversion_deck, offset_deck
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

# The comparator's systematic offset (-0.3 mV) and the charge of its input shift all thresholds by less than this.
SHIFT = 3e-3  # [V]


@pytest.mark.parametrize("parasitic", [0.0, 2e-12])
def test_codes_and_switching_energy(parasitic: float, pool: SimulatorPool) -> None:
    """Large capacitors, so that the comparator's input (some 10 fF) takes less than 0.1 % of the charge."""
    config = SarAdcConfig(bits=4, c_unit=1e-12, c_parasitic=parasitic, r_switch=100)
    capacitors = ideal_capacitors(4, config.c_unit)
    wanted = np.array([15, 0, 7, 8, 10, 5])
    inputs = levels(capacitors, config.v_low, config.v_high)[wanted] + config.lsb / 2
    result = pool.run([conversion_deck(config, capacitors, {}, inputs)])
    assert result[0].ok, result[0].failure
    assert codes_of(result, 4).tolist() == wanted.tolist()
    expected = [switching_energy(code, capacitors, config.v_high - config.v_low, parasitic) for code in wanted]
    np.testing.assert_allclose(energies_of(result)[:, 0], expected, rtol=2e-3)
    # Charge is kept: the top plates end where the last trial, b_0 set, puts them.
    last = levels(capacitors, config.v_low, config.v_high)[wanted | 1]
    share = 16e-12 / (16e-12 + parasitic)
    np.testing.assert_allclose(result[0]["v(top)"], config.v_cm + share * (last - inputs), atol=0.3e-3)


@pytest.mark.parametrize("settings", [{}, {"corner": "SS", "temperature": 125.0, "v_dd": 1.62}])
def test_a_bad_array_misses_the_codes_that_it_must(settings: dict[str, float], pool: SimulatorPool) -> None:
    config = SarAdcConfig(bits=3, **settings)
    capacitors = config.c_unit * np.array([1.0, 2.0, 2.0, 1.0])  # the highest is half of what it should be
    threshold = transition_levels(levels(capacitors, config.v_low, config.v_high))
    ends = np.concatenate([[config.v_low - config.lsb], threshold, [threshold[-1] + config.lsb]])
    wide = np.diff(ends) > 2 * SHIFT
    assert np.flatnonzero(~wide).tolist() == [2, 3]  # no input gives these
    inputs = ((ends[:-1] + ends[1:]) / 2)[wide]
    result = pool.run([conversion_deck(config, capacitors, {}, inputs)])
    assert result[0].ok, result[0].failure
    assert codes_of(result, 3).tolist() == np.flatnonzero(wide).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [6, 8])
@pytest.mark.parametrize("switch", ["sar_switch", "sar_switch_cmos"])
def test_many_bits(bits: int, switch: str, pool: SimulatorPool) -> None:
    config = SarAdcConfig(bits=bits, switch=switch)
    wanted = np.linspace(0, (1 << bits) - 1, 6).astype(int)
    capacitors = ideal_capacitors(bits, config.c_unit)
    # Charge of the opening top switch adds an offset of some millivolts, which is more than an LSB of 8 bits.
    inputs = levels(capacitors, config.v_low, config.v_high)[wanted] + config.lsb / 2
    result = pool.run([conversion_deck(config, capacitors, {}, inputs)])
    assert result[0].ok, result[0].failure
    error = codes_of(result, bits) - wanted
    assert np.all(np.abs(error) * config.lsb <= (SHIFT if switch == "sar_switch" else 10e-3) + config.lsb / 2)


def test_offset_grows_by_the_charge_of_the_comparators_input(pool: SimulatorPool) -> None:
    """Offset times 1 + C_in / C. The drain's 8 um of 0.24 fF/um count with the stage's gain, which is about 100 near
    the trip point and less further out: 0.2 pF and its like, with some 10 fF each of plates and channel."""
    found = []
    for c_unit, reach, clock in ((10e-15, -14e-3, 20e-9), (10e-15, -14e-3, 60e-9), (160e-15, -6e-3, 20e-9)):
        config = SarAdcConfig(bits=4, c_unit=c_unit, r_switch=100, t_clock=clock)
        capacitors = ideal_capacitors(4, c_unit)
        middle = levels(capacitors, config.v_low, config.v_high)[8]
        errors = np.linspace(reach, -4e-3, 13)
        static, search = pool.run([
            offset_deck(config, ["dvt1"], np.array([[-4e-3]])),
            conversion_deck(config, capacitors, {"dvt1": -4e-3}, middle + errors),
        ])  # fmt: skip
        offset = float(static["v(in0)"][0]) - config.v_cm
        assert -4.7e-3 < offset < -4.2e-3  # with the systematic -0.3 mV
        code = codes_of([search], 4)
        assert code[0] == 7 and code[-1] == 8
        found.append((errors[int(np.argmax(code == 8))] / offset - 1) * 16 * c_unit)
    small, slow, large = found
    assert slow == small  # charge, and not lag
    assert 0.1e-12 < small < 0.6e-12 and 0.1e-12 < large < 0.6e-12


def test_parts_of_a_user(tmp_path: Path) -> None:
    own = tmp_path / "own.cir"
    own.write_text("* own\n.subckt comparator a b\nr1 a b 1k\n.ends\n")
    with pytest.raises(CosimError, match="pins") as error:
        SarAdcConfig(comparator=str(own))
    assert error.value.key == "comparator"


@pytest.mark.parametrize("wrong", [{"bits": 2}, {"v_low": 1.3}, {"c_unit": 0.0}, {"switch": 3}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        SarAdcConfig(**wrong)


def test_references_follow_the_process() -> None:
    config = SarAdcConfig(process="generic65", v_dd=1.32)
    assert (config.v_low, config.v_high, config.v_cm) == (0.48, 0.84, 0.66)
