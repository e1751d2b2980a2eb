"""The exported comparator decides as the model and takes its time: Verilog-A."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from cosim.blocks.comparator.behaviour import ComparatorModel

from .comparators import CHIP, EDGE, LOOK, crossings, offset_at, own_drives, positive_inputs, steps_wave
from .conftest import exported, run_verilog_a


def spectre(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{time!r} {value!r}" for time, value in points)


def test_verilog_a_clocked(clocked: ComparatorModel, tmp_path: Path) -> None:
    """The same decisions in an event-driven Verilog-A simulator; edges of 1 ps, time steps of 2 ps."""
    v_cm, v_dd, period = clocked.config.v_cm, clocked.config.v_dd, 4e-9
    inputs = v_cm + np.array([0.1, -0.1, 3e-3, -3e-3, 2e-4, -2e-4]) + offset_at(clocked, v_cm)
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm!r}
Vinp (inp 0) vsource type=pwl wave=[{spectre(steps_wave(inputs.tolist(), period, EDGE))}]
Vclk (clk 0) vsource type=pulse val0=0 val1={v_dd!r} delay={period / 2!r} period={period!r} \\
  width={period / 2 - 2 * EDGE!r} rise={EDGE!r} fall={EDGE!r}
Icmp (inp inn clk outp outn vdd 0) comparator_model noise=0 tr=1p
tran tran stop={len(inputs) * period!r} maxstep=2p
save outp:12e outn:12e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", clocked, "verilog_a", **CHIP), bench)
    drives = own_drives(clocked, inputs, dict(CHIP))
    risen = {
        side: [t for t, way in crossings(waves["time"], waves[f"out{side}"], v_dd / 2) if way > 0] for side in "pn"
    }
    for k, drive in enumerate(drives):
        start = (k + 0.5) * period + EDGE / 2
        inside = {side: [t for t in times if start < t < start + period / 2] for side, times in risen.items()}
        side, other = ("p", "n") if drive > 0 else ("n", "p")
        assert len(inside[side]) == 1 and not inside[other]
        assert inside[side][0] - start == pytest.approx(float(clocked.delay(abs(drive))), abs=LOOK)


def test_verilog_a_continuous(continuous: ComparatorModel, tmp_path: Path) -> None:
    v_cm, v_dd, period = continuous.config.v_cm, continuous.config.v_dd, 60e-9
    drives = np.array([-0.1, 1e-3, -1e-3, 0.1, -3e-2])
    wave = spectre(steps_wave(positive_inputs(continuous, drives), period, EDGE))
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm!r}
Vinp (inp 0) vsource type=pwl wave=[{wave}]
Icmp (inp inn out vdd 0) comparator_model noise=0 tr=1p
tran tran stop={len(drives) * period!r} maxstep=20p
save out:12e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", continuous, "verilog_a"), bench)
    found = crossings(waves["time"], waves["out"], v_dd / 2)
    assert [direction for _, direction in found] == np.sign(drives[1:]).tolist()
    for k, (at, direction) in enumerate(found, start=1):
        wanted = float(continuous.delay(abs(drives[k]), direction))
        # The overdrive is looked at every 10 ps.
        assert at - k * period - EDGE / 2 == pytest.approx(wanted, abs=4e-11)


def test_verilog_a_noise(clocked: ComparatorModel, tmp_path: Path) -> None:
    """One sigma beyond the trip point, 200 decisions: as many are high as the model's probability says, within four
    standard errors of a binomial count."""
    v_cm, v_dd, period, count, sigma = clocked.config.v_cm, clocked.config.v_dd, 4e-9, 200, 0.01
    difference = offset_at(clocked, v_cm) + sigma
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm - difference / 2!r}
Vinp (inp 0) vsource dc={v_cm + difference / 2!r}
Vclk (clk 0) vsource type=pulse val0=0 val1={v_dd!r} delay={period / 2!r} period={period!r} \\
  width={period / 2 - 2 * EDGE!r} rise={EDGE!r} fall={EDGE!r}
Icmp (inp inn clk outp outn vdd 0) comparator_model noise={sigma!r} seed=2
tran tran stop={count * period!r} maxstep=50p
save outp:6e outn:6e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", clocked, "verilog_a", **CHIP), bench)
    risen = {side: sum(way > 0 for _, way in crossings(waves["time"], waves[f"out{side}"], v_dd / 2)) for side in "pn"}
    assert sum(risen.values()) == count
    p = float(ndtr(1.0))
    assert abs(risen["p"] - count * p) < 4 * np.sqrt(count * p * (1 - p))
