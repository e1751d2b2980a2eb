"""The data set as a whole, its conditions, and settings that make no sense."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.blocks import comparator
from cosim.blocks.comparator.characterisation import characterise
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.config import load_config
from cosim.blocks.status import NOT_FOUND
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.spice import SimulatorPool


def test_the_data_set_of_the_two_stage_comparator(continuous: ComparatorConfig, pool: SimulatorPool) -> None:
    data = characterise(
        continuous, chips=3, overdrives=(1e-3, 1e-2, 1e-1), common_modes=(0.0, 0.1), pool=pool, show_progress=False
    )
    assert set(comparator.FIGURES) <= set(data.data_vars)
    for plot in comparator.PLOTS:
        assert {*plot.y, *plot.where} | ({plot.x} if plot.x else set()) <= set(data.variables)
    assert not data["status"].values.any()
    assert data["offset"].shape == (2, 3) and data["delay"].shape == (2, 3, 2)
    delay = data["delay"].values
    assert np.all(np.diff(delay, axis=1) < 0) and np.all(delay > 1e-10)
    # A two-stage amplifier without a latch slows down by far more than a latch, which takes the logarithm.
    assert np.all(delay[:, 0] > 3 * delay[:, 2])
    # Tail 80 uA, second stage 40 uA and more, out at half the supply: the current at the trip point times the supply.
    assert np.all((data["static_power"] > 1.8 * 100e-6) & (data["static_power"] < 1.8 * 200e-6))
    # Half a clock period of it, give or take what one side or the other of the trip point draws.
    energy = data["static_power"].values[:, None, None] * continuous.t_clock / 2
    np.testing.assert_allclose(data["energy"], np.broadcast_to(energy, (2, 3, 2)), rtol=0.6)
    assert np.all((data["noise"] > 2e-5) & (data["noise"] < 2e-4))
    assert np.isnan(data["regeneration_time"]).all() and np.isnan(data["kickback_difference"]).all()


def test_the_data_set_of_the_strongarm(clocked: ComparatorConfig, pool: SimulatorPool) -> None:
    data = characterise(
        clocked, chips=2, overdrives=(1e-3, 3e-3, 1e-1), common_modes=(0.0,), with_noise=False, pool=pool,
        show_progress=False,
    )  # fmt: skip
    assert not data["status"].values.any()
    assert np.isfinite(data["offset"]).all() and np.isnan(data["noise"]).all()
    assert float(data["static_power"][0]) < 1e-9  # nothing but leakage
    tau, drive = float(data["regeneration_time"][0]), float(data["metastable_input"][0])
    # The overdrive that is extrapolated to half a period lies on the line through the two smallest.
    at_small = float(data["delay"][0, 0].mean())
    assert at_small + tau * np.log(1e-3 / drive) == pytest.approx(clocked.t_clock / 2, rel=1e-6, abs=0)
    assert data["delay"].attrs["step_tolerance"] == "1 %, at least 1e-12 s"


def test_no_decision_is_no_delay(pool: SimulatorPool) -> None:
    """A clock too fast for small overdrives: those points are NaN, the measurement is flagged."""
    config = ComparatorConfig(t_clock=0.9e-9)
    data = characterise(
        config, chips=2, overdrives=(1e-5, 0.1), common_modes=(0.0,), with_noise=False, pool=pool, show_progress=False
    )
    assert np.isnan(data["delay"][0, 0]).all() and np.isfinite(data["delay"][0, 1]).all()
    assert int(data["status"].sel(measurement="decisions")[0]) == 3


UNDECIDED = """* takes charge from its inputs and never decides
* mismatch none
.subckt comparator inp inn clk outp outn vdd vss
cp inp clk 1f
cn inn clk 1f
rp outp vss 1k
rn outn vss 1k
rd vdd vss 1meg
.ends
"""


def test_without_a_trip_point_nothing_is_measured_around_it(pool: SimulatorPool, tmp_path: Path) -> None:
    """Its inputs are kicked and its supply gives energy, but no overdrive is known of either."""
    file = tmp_path / "undecided.cir"
    file.write_text(UNDECIDED)
    config = ComparatorConfig(comparator=str(file))
    data = characterise(config, chips=2, overdrives=(1e-3, 1e-2), common_modes=(0.0,), pool=pool, show_progress=False)
    assert data["status"].values.tolist() == [[NOT_FOUND] * 4]
    for name in ("offset", "noise", "delay", "energy", "kickback_peak", "kickback_charge", "kickback_difference"):
        assert np.isnan(data[name]).all(), name


def test_a_stuck_comparator_has_no_trip_point(pool: SimulatorPool, tmp_path: Path) -> None:
    """Its output stands at the supply whatever its inputs, and the offset bench at the end of its reach."""
    file = tmp_path / "stuck.cir"
    file.write_text(
        """* stuck high
* mismatch none
.subckt comparator inp inn out bias vdd vss
rp inp vss 1meg
rn inn vss 1meg
ro out vdd 1k
rb bias vss 1meg
.ends
.subckt comparator_bias bias vdd vss iref=40u
r1 bias vss 20k
i1 vdd bias {iref}
.ends
"""
    )
    config = ComparatorConfig(comparator=str(file))
    data = characterise(config, chips=2, overdrives=(1e-2,), common_modes=(0.0,), pool=pool, show_progress=False)
    assert data["status"].values.tolist() == [[NOT_FOUND] * 4]
    for name in ("offset", "offset_nominal", "noise", "delay", "kickback_peak"):
        assert np.isnan(data[name]).all(), name


@pytest.mark.slow
@pytest.mark.parametrize("netlist", ["comparator_strongarm", "comparator_two_stage"])
@pytest.mark.parametrize("process", ["generic180", "generic65"])
@pytest.mark.parametrize(
    ("corner", "temperature", "supply"),
    [("SS", -40.0, 0.9), ("FF", 125.0, 1.1), ("FS", -40.0, 1.1), ("SF", 125.0, 0.9)],
)
def test_all_corners(
    pool: SimulatorPool, netlist: str, process: str, corner: str, temperature: float, supply: float
) -> None:
    nominal = ComparatorConfig(process=process).v_dd
    config = ComparatorConfig(
        comparator=netlist, process=process, corner=corner, temperature=temperature, v_dd=nominal * supply
    )
    with_noise = not config.clocked or corner == "SS"  # the slowest latch; the integral takes its time
    data = characterise(
        config, chips=4, overdrives=(1e-3, 1e-2, 1e-1), common_modes=(0.0,), with_noise=with_noise, pool=pool,
        show_progress=False,
    )  # fmt: skip
    assert not data["status"].values.any()
    assert np.all(np.abs(data["offset"]) < 0.03)
    assert not with_noise or 1e-5 < float(data["noise"][0]) < 1e-3


def test_defaults_follow_process_supply_and_netlist() -> None:
    small = ComparatorConfig(process="generic65", v_dd=1.08)
    assert small.v_cm == pytest.approx(0.65 * 1.08) and small.clocked and small.t_clock == 10e-9
    slow = ComparatorConfig(comparator="comparator_two_stage")
    assert slow.v_cm == pytest.approx(1.17) and not slow.clocked and slow.t_clock == 400e-9


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("inp inn clk outp outn vdd vss", "inp inn clk outp vdd", "pins"),
        ("inp inn clk outp outn vdd vss", "inp inn clk outp vdd vss", "comparator_bias"),
        ("dvt={dvt", "dvx={dvt", "mismatch|dvx"),
        (".ends", ".ends\n.control\nrun\n.endc", "runs commands"),
        ("l=0.18u dvt={dvt1}", "l=0.1u dvt={dvt1}", "cannot make this channel"),
    ],
)
def test_a_netlist_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "mine.cir"
    file.write_text(read_netlist("comparator_strongarm").replace(old, new))
    with pytest.raises(CosimError, match=words):
        load_config(ComparatorConfig, None, {"comparator": str(file)})


@pytest.mark.parametrize(
    "sweeps",
    [
        {"chips": 1},
        {"overdrives": ()},
        {"overdrives": (0.0, 1e-3)},
        {"overdrives": (1e-3, 1e-3)},
        {"common_modes": (-2.0,)},
        {"common_modes": (0.9,)},
    ],
)
def test_sweeps_that_make_no_sense(clocked: ComparatorConfig, sweeps: dict[str, Any]) -> None:
    with pytest.raises(CosimError, match=next(iter(sweeps))):
        characterise(clocked, **sweeps)
