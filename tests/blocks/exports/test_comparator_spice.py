"""The exported comparator decides as the model and takes its time: SPICE in ngspice."""

import numpy as np
import pytest

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.spice import Deck, SimulatorPool

from .comparators import CHIP, EDGE, LOOK, crossings, offset_at, own_drives, positive_inputs, steps_wave
from .conftest import exported


@pytest.mark.parametrize("form", ["mismatch", "simple"])
def test_spice_clocked(
    form: str, clocked: ComparatorModel, simple: dict[str, ComparatorModel], pool: SimulatorPool
) -> None:
    """Decisions of two comparators in one deck, one of them with the parameter `offset`: sides, and delays."""
    model = clocked if form == "mismatch" else simple["clocked"]
    v_cm, v_dd, period, shift = model.config.v_cm, model.config.v_dd, 4e-9, 1e-3
    inputs = v_cm + np.array([0.1, -0.1, 3e-3, -3e-3, 2e-4, -2e-4]) + offset_at(model, v_cm)
    wave = " ".join(f"{t!r} {v!r}" for t, v in steps_wave(inputs.tolist(), period, EDGE))
    lines = [
        exported("comparator", model, "spice", **CHIP),
        exported("comparator", model, "spice", name="other"),
        f"vinp inp 0 pwl({wave})",
        f"vinn inn 0 {v_cm!r}",
        f"vdd vdd 0 {v_dd!r}",
        f"vclk clk 0 pulse(0 {v_dd!r} {period / 2!r} {EDGE!r} {EDGE!r} {period / 2 - 2 * EDGE!r} {period!r})",
        "X1 inp inn clk p1 n1 vdd 0 comparator_model",
        f"X2 inp inn clk p2 n2 vdd 0 other offset={shift!r}",
    ]
    deck = Deck(
        "clocked comparators", "\n".join(lines), (f".tran 1p {len(inputs) * period!r} 0 2p",),
        ("v(p1)", "v(n1)", "v(p2)", "v(n2)"),
    )  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    time = result["time"]
    for number, options, extra in ((1, CHIP, 0.0), (2, {}, shift)):
        drives = own_drives(model, inputs, dict(options), extra)
        for k, drive in enumerate(drives):
            start = (k + 0.5) * period + EDGE / 2
            window = (time > start) & (time < (k + 1) * period - 2 * EDGE)
            side, other = ("p", "n") if drive > 0 else ("n", "p")
            found = crossings(time[window], result[f"v({side}{number})"][window], v_dd / 2)
            assert [direction for _, direction in found] == [1]
            assert result[f"v({other}{number})"][window].max() < 1e-3 * v_dd
            assert found[0][0] - start == pytest.approx(max(float(model.delay(abs(drive))), 0.0), abs=LOOK)
        resets = np.searchsorted(time, (np.arange(1, len(inputs)) + 0.25) * period)
        assert max(result[f"v({side}{number})"][resets].max() for side in "pn") < 1e-3 * v_dd


@pytest.mark.parametrize("form", ["mismatch", "simple"])
def test_spice_continuous(
    form: str, continuous: ComparatorModel, simple: dict[str, ComparatorModel], pool: SimulatorPool
) -> None:
    """Steps across the trip point from 0.1 V on its other side, as it was characterised: delay of both decisions to
    1 %, the integration of poles of 3 ns in steps of 20 ps."""
    model = continuous if form == "mismatch" else simple["continuous"]
    v_cm, v_dd, period = model.config.v_cm, model.config.v_dd, 120e-9
    drives = np.array([-0.1, 1e-3, 0.1, -1e-3, -0.1, 0.1, -3e-2, -0.1, 3e-3])
    wave = " ".join(f"{t!r} {v!r}" for t, v in steps_wave(positive_inputs(model, drives), period, EDGE))
    lines = [
        exported("comparator", model, "spice"),
        f"vinp inp 0 pwl({wave})",
        f"vinn inn 0 {v_cm!r}",
        f"vdd vdd 0 {v_dd!r}",
        "X1 inp inn out vdd 0 comparator_model",
    ]
    deck = Deck("comparator", "\n".join(lines), (f".tran 10p {len(drives) * period!r} 0 20p",), ("v(out)",))
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    found = crossings(result["time"], result["v(out)"], v_dd / 2)
    crossed = [k for k in range(1, len(drives)) if drives[k] * drives[k - 1] < 0]
    assert [direction for _, direction in found] == np.sign(drives[crossed]).tolist()
    for k, (at, direction) in zip(crossed, found, strict=True):
        wanted = float(model.delay(abs(drives[k]), direction))
        assert at - k * period - EDGE / 2 == pytest.approx(wanted, rel=0.01, abs=40e-12)
