"""Exports of all blocks side by side in one deck, several instances of each: no name of one meets another's."""

import re

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.conversion import convert
from cosim.blocks.ramp_adc.exported import exported_adc
from cosim.spice import Deck, SimulatorPool

from . import comparators, test_cell, test_dac, test_integrator, test_sample_hold
from .conftest import exported


def test_all_blocks_in_one_deck(adc: RampAdcModel, pool: SimulatorPool) -> None:
    """DAC, sample and hold, cell, integrator in reset, ramp ADC and comparator one behind another, twice.

    In `.op` each stage hands on what its model says: the second chain, of drawn chips and another code, too.
    """
    dac = test_dac.model_of("r2r", **test_dac.R2R)
    hold = test_sample_hold.model_of("charge")
    cell = test_cell.model_of("sinh")
    integrator = test_integrator.model_of("amplifier")
    comparator = comparators.model_of("comparator_two_stage", "mismatch", **comparators.STAGES)
    models = {"dac": dac, "sample_hold": hold, "integrator": integrator, "ramp_adc": adc, "comparator": comparator}
    texts = [exported("cell", cell, "spice")]
    lines = ["vclp clp 0 1.0", "vdd vdd 0 1.8", "vrst rst 0 1.8"]
    for n, chip in enumerate(("nominal", "seed:1")):
        texts += [exported(block, model, "spice", chip=chip, name=f"{block}_{n}") for block, model in models.items()]
        lines += [
            f"vcode{n} code{n} 0 {3 - 2 * n}",
            f"Xdac{n} code{n} p{n} m{n} clp dac_{n}",
            f"Xsh{n} p{n} h{n} vdd vdd 0 sample_hold_{n}",
            f"Ehold{n} e{n} 0 h{n} 0 1",
            f"vsense{n} e{n} t{n} 0",
            f"Xcell{n} t{n} bl{n} cell g={20 * (n + 1)}u",
            f"Xint{n} bl{n} out{n} rst clp integrator_{n}",
            f"Xadc{n} h{n} clp 0 c{n} x{n} y{n} z{n} ramp_adc_{n}",
            f"Xcmp{n} h{n} clp o{n} vdd 0 comparator_{n}",
        ]
    names = ("p{}", "h{}", "out{}", "c{}", "o{}", "bl{}")
    saves = (*(f"v({name.format(n)})" for n in range(2) for name in names), "i(vsense0)", "i(vsense1)")
    result = pool.run([Deck("all blocks", "\n".join([*texts, *lines]), (".op",), saves)])[0]
    assert result.ok, result.failure
    value = {name: float(result[name][0]) for name in saves}
    for n, code in enumerate((3, 1)):
        line = value[f"v(p{n})"] - 1.0
        if n == 0:
            assert line == pytest.approx(dac.levels()[code + dac.config.magnitude], rel=1e-6)
        assert value[f"v(h{n})"] - 1.0 == pytest.approx(line, abs=1e-6)
        across = value[f"v(h{n})"] - value[f"v(bl{n})"]
        assert value[f"i(vsense{n})"] == pytest.approx(float(cell.current(across, 20e-6 * (n + 1))), rel=1e-4)
        chip = exported_adc(adc, {"chip": ("nominal", "seed:1")[n]})
        wanted = convert(np.array([[line]]), chip.thresholds, adc.config.staircase)[0, 0]
        assert value[f"v(c{n})"] == pytest.approx(float(wanted), abs=1e-6)
        assert value[f"v(o{n})"] == pytest.approx(1.8, abs=1e-3)


def test_operating_points_with_clocks_high(pool: SimulatorPool) -> None:
    """Timers that run have an operating point all the same; a pulse that has ended is over."""
    latch = comparators.model_of("comparator_strongarm", "mismatch", **comparators.LATCH)
    lines = [
        exported("comparator", latch, "spice"),
        exported("dac", test_dac.model_of("pulse_width", **test_dac.PULSE), "spice"),
        "vdd vdd 0 1.8", "vinp inp 0 1.3", "vinn inn 0 1.1", "vcode code 0 5", "vclp clp 0 1",
        "Xcmp inp inn vdd outp outn vdd 0 comparator_model",
        "Xdac code vdd rowp rown clp dac",
    ]  # fmt: skip
    saves = ("v(outp)", "v(outn)", "v(rowp)", "v(rown)")
    result = pool.run([Deck("clocks high", "\n".join(lines), (".op",), saves)])[0]
    assert result.ok, result.failure
    assert result["v(outp)"][0] + result["v(outn)"][0] == pytest.approx(1.8, abs=1e-3)
    assert [result[name][0] for name in saves[2:]] == pytest.approx([1.0, 1.0], abs=1e-6)


def test_nothing_stands_outside_the_subcircuits(adc: RampAdcModel) -> None:
    """Every line of every export lies between `.subckt` and its `.ends`, models included."""
    latch = comparators.model_of("comparator_strongarm", "mismatch", **comparators.LATCH)
    texts = [
        exported("ramp_adc", adc, "spice", columns=2),
        exported("cell", test_cell.model_of("transistor"), "spice"),
        exported("dac", test_dac.model_of("pulse_width", **test_dac.PULSE), "spice"),
        exported("comparator", latch, "spice"),
        exported("integrator", test_integrator.model_of("amplifier"), "spice"),
        exported("sample_hold", test_sample_hold.model_of("charge"), "spice"),
    ]
    for text in texts:
        outside = re.sub(r"^\.subckt (\S+)\b.*?^\.ends \1$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert outside.strip() == ""
