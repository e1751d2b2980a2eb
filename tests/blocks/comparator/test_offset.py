"""Offsets against closed forms: what a shifted threshold of the input pair must do, and the gm ratio of the mirror."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.linear import find_trajectory
from cosim.blocks.comparator.netlist import static_deck
from cosim.blocks.comparator.offset import TOLERANCE, draw_mismatch, find_offsets
from cosim.blocks.status import FAILED, NOT_FOUND, OK
from cosim.process import mismatch_of
from cosim.resources import read_netlist
from cosim.spice import Deck, SimulatorPool, Tolerances

Array = NDArray[np.float64]


def rows(names: tuple[str, ...], *shifts: dict[str, float]) -> Array:
    return np.array([[shift.get(name, 0.0) for name in names] for shift in shifts])


def threshold_weights(config: ComparatorConfig, pool: SimulatorPool, nodes: dict[str, float]) -> tuple[float, float]:
    """How many volts at the gate a volt of `dvt` is worth, of an input and of a mirror transistor of the two-stage one.

    Somewhat more than one: the mobility of BSIM4 (mobmod 0) falls with the threshold itself.
    """
    kinds = {
        "nmos": ("nmos w=8u l=0.5u", nodes["d1"], nodes["p"], nodes["tail"], 0.0),
        "pmos": ("pmos w=4u l=0.5u", nodes["d1"], nodes["d1"], config.v_dd, config.v_dd),
    }
    lines = [config.models_text()]
    for kind, (text, drain, gate, source, bulk) in kinds.items():
        for name, shift, dvt in (("a", 0, 1e-3), ("b", 0, -1e-3), ("c", 1e-3, 0), ("d", -1e-3, 0)):
            end = f"{kind}{name}"
            lines += [
                f"vd{end} d{end} 0 {drain!r}",
                f"vg{end} g{end} 0 {gate + shift!r}",
                f"vs{end} s{end} 0 {source!r}",
            ]
            lines += [f"vb{end} b{end} 0 {bulk!r}", f"x{end} d{end} g{end} s{end} b{end} {text} dvt={dvt!r}"]
    saves = tuple(f"i(vd{kind}{name})" for kind in kinds for name in "abcd")
    point = pool.run([Deck("weights", "\n".join(lines), (".op",), saves, Tolerances(reltol=1e-7))])[0]
    current = {name: float(point[name][0]) for name in saves}
    weights = [
        (current[f"i(vd{kind}a)"] - current[f"i(vd{kind}b)"]) / (current[f"i(vd{kind}d)"] - current[f"i(vd{kind}c)"])
        for kind in kinds
    ]
    return weights[0], weights[1]


def test_two_stage_offsets_follow_the_gm_ratio_chip_by_chip(continuous: ComparatorConfig, pool: SimulatorPool) -> None:
    chips = 150
    names, mismatch = draw_mismatch(continuous, chips, seed=3)
    found = find_offsets(continuous, continuous.v_cm, names, mismatch, None, pool)
    assert found.status == 0
    deck = static_deck(continuous, continuous.v_cm, names, mismatch[:1])
    saves = (
        *(f"@m.xc0.xm{k}.m1[{each}]" for k in (1, 3) for each in ("gm", "id")), "v(p0)", "v(xc0.tail)", "v(xc0.d1)",
    )  # fmt: skip
    point = pool.run([Deck(deck.title, deck.circuit, deck.analyses, saves, deck.tolerances)])[0]
    nodes = {name: float(point[f"v({of})"][0]) for name, of in (("p", "p0"), ("tail", "xc0.tail"), ("d1", "xc0.d1"))}
    of_pair, of_mirror = threshold_weights(continuous, pool, nodes)
    assert 1.0 < of_pair < 1.2 and 1.0 < of_mirror < 1.2
    (gm1, id1), (gm3, id3) = ([abs(float(point[f"@m.xc0.xm{k}.m1[{e}]"][0])) for e in ("gm", "id")] for k in (1, 3))
    value = dict(zip(names, mismatch[1:].T, strict=True))
    # Pair: its threshold difference, and its current factors by I / gm. Mirror: its current error by the pair's gm.
    pair = of_pair * (value["dvt1"] - value["dvt2"]) - id1 / gm1 * (value["db1"] - value["db2"])
    # `dvt` is added to the threshold, which is negative in a PMOS: a higher one lets xm3 take less of a gate voltage,
    # so xm4 gives less current, and inp has to be higher for o1 to stay.
    mirror = of_mirror * gm3 / gm1 * (value["dvt3"] - value["dvt4"]) + id3 / gm1 * (value["db3"] - value["db4"])
    offsets = found.values[1:] - found.values[0]
    # First order, and without the second stage, whose mismatch (5 mV) is divided by the first one's gain of about 40.
    assert np.std(offsets - pair - mirror) < 0.1 * np.std(offsets)
    assert np.std(offsets) == pytest.approx(np.std(pair + mirror), rel=0.02)
    # Pelgrom: sigma of this number of chips repeats to 1 / sqrt(2 n) = 6 %; three of these.
    a_vt, a_beta, w1, w3, length = 4.1e-9, 1e-8, 8e-6, 4e-6, 0.5e-6
    variance = ((of_pair * a_vt) ** 2 + (id1 / gm1 * a_beta) ** 2) / (w1 * length)
    variance += ((of_mirror * gm3 / gm1 * a_vt) ** 2 + (id3 / gm1 * a_beta) ** 2) / (w3 * length)
    assert np.std(offsets) == pytest.approx(np.sqrt(variance), rel=3 / np.sqrt(2 * chips))


def test_an_offset_out_of_reach_is_not_found(continuous: ComparatorConfig, pool: SimulatorPool) -> None:
    """The feedback moves the input by 0.3 V at most: where it ends is no offset, and its power not that at balance."""
    names, _ = draw_mismatch(continuous, 2, seed=1)
    shifts = rows(names, {}, {"dvt1": 0.1}, {"dvt1": 0.5}, {"dvt1": -0.5})
    found = find_offsets(continuous, continuous.v_cm, names, shifts, None, pool)
    assert found.statuses.tolist() == [OK, OK, NOT_FOUND, NOT_FOUND] and found.status == NOT_FOUND
    assert np.isnan(found.values[2:]).all() and np.isnan(found.power[2:]).all()
    # A volt of dvt is 1.0 to 1.2 V at the gate: see `threshold_weights`.
    assert 0.1 < found.values[1] - found.values[0] < 0.12 and found.power[1] > 0


def test_strongarm_offsets(clocked: ComparatorConfig, pool: SimulatorPool) -> None:
    names, _ = draw_mismatch(clocked, 2, seed=1)
    shifts = rows(
        names,
        {},
        {"dvt1": 5e-3},
        {"dvt2": 5e-3},
        {"dvt1": -8e-3, "dvt2": -8e-3},
        {"dvt3": 10e-3},
        {"dvt4": 10e-3},
        {"db2": 0.02},
        {"dvt5": 10e-3},
    )
    trajectory, _ = find_trajectory(clocked, clocked.v_cm, 0.0, pool)
    found = find_offsets(clocked, clocked.v_cm, names, shifts, trajectory, pool)
    assert found.status == 0
    nominal, first, second, both, third, fourth, factor, load = found.values
    # Half a bracket is what an offset may be off by.
    assert abs(nominal) <= TOLERANCE / 2
    # A threshold's shift is a voltage in series with the gate, and by the model a lower mobility as well.
    assert 5e-3 - TOLERANCE < first < 1.25 * 5e-3
    assert second == pytest.approx(-first, abs=TOLERANCE)
    assert abs(both) <= TOLERANCE
    # The circuit is symmetric; what comes after the pair weighs less, since the pair has amplified already.
    assert third == pytest.approx(-fourth, abs=2 * TOLERANCE)
    assert TOLERANCE < abs(load) < abs(third) < 10e-3
    # A stronger xm2 wants a lower inn, by db I / gm, and I / gm is half of an overdrive voltage of at most 0.6 V.
    assert 0.5e-3 < factor < 6e-3
    assert len(found.keys) < 10  # seven rounds at most: the search knows the latch's gain


@pytest.mark.parametrize("probes", [True, False])
def test_a_voltage_in_series_with_the_input_is_the_offset(pool: SimulatorPool, tmp_path: Path, probes: bool) -> None:
    text = read_netlist("comparator_strongarm").replace("xm1 x inp tail", "vshift gate inp -5m\nxm1 x gate tail")
    if not probes:
        text = text.replace("* probes", "* nodes")
    file = tmp_path / "shifted.cir"
    file.write_text(text)
    config = ComparatorConfig(comparator=str(file))
    names, mismatch = draw_mismatch(config, 2, seed=1)
    trajectory, _ = find_trajectory(config, config.v_cm, 0.0, pool)
    assert (trajectory is not None) == probes
    found = find_offsets(config, config.v_cm, names, mismatch[:1], trajectory, pool)
    assert found.status == 0 and found.values[0] == pytest.approx(5e-3, abs=TOLERANCE / 2 + 1e-9)


def test_a_chip_is_the_same_under_every_condition(clocked: ComparatorConfig) -> None:
    hot = ComparatorConfig(temperature=125.0, corner="FF", v_dd=1.98)
    names, few = draw_mismatch(clocked, 3, seed=7)
    assert names == draw_mismatch(hot, 8, seed=7)[0] and len(names) == 12
    np.testing.assert_array_equal(few, draw_mismatch(hot, 8, seed=7)[1][:4])
    assert not np.array_equal(few, draw_mismatch(hot, 3, seed=8)[1])
    assert not few[0].any()


@pytest.mark.parametrize("clocked", [True, False])
def test_a_chip_that_cannot_be_simulated_costs_itself_alone(pool: SimulatorPool, clocked: bool) -> None:
    """ngspice refuses a transistor whose threshold is shifted by no number."""
    config = ComparatorConfig(comparator="comparator_strongarm" if clocked else "comparator_two_stage")
    names, mismatch = draw_mismatch(config, 3, seed=4)
    trajectory = find_trajectory(config, config.v_cm, 0.0, pool)[0] if clocked else None
    sound = find_offsets(config, config.v_cm, names, mismatch, trajectory, pool)
    mismatch[2, 0] = np.nan
    found = find_offsets(config, config.v_cm, names, mismatch, trajectory, pool)
    assert found.statuses.tolist() == [OK, OK, FAILED, OK] and found.status == FAILED and sound.status == OK
    assert np.isnan(found.values[2]) and np.isnan(found.power[2])
    kept = [0, 1, 3]
    np.testing.assert_allclose(found.values[kept], sound.values[kept], atol=TOLERANCE)


@pytest.mark.slow
def test_strongarm_sigma_over_chips(clocked: ComparatorConfig, pool: SimulatorPool) -> None:
    names, mismatch = draw_mismatch(clocked, 100, seed=2)
    trajectory, _ = find_trajectory(clocked, clocked.v_cm, 0.0, pool)
    found = find_offsets(clocked, clocked.v_cm, names, mismatch, trajectory, pool)
    assert found.status == 0
    offsets = found.values[1:]
    weights = np.linalg.lstsq(mismatch[1:], offsets, rcond=None)[0]
    # Offsets are linear in the mismatch: brackets of 20 uV and the second order leave less than 1 %.
    assert np.std(offsets - mismatch[1:] @ weights) < 0.01 * np.std(offsets)
    weight = dict(zip(names, weights.tolist(), strict=True))
    for kind in ("dvt", "db"):
        for one, other in ((1, 2), (3, 4), (5, 6)):  # the circuit is symmetric
            assert weight[f"{kind}{one}"] == pytest.approx(-weight[f"{kind}{other}"], abs=0.02)
    assert 1.0 < weight["dvt1"] < 1.25 and weight["dvt1"] > weight["dvt3"] > weight["dvt5"] > 0
    # Pelgrom through these weights; sigma of 100 chips repeats to 7 %, three of these.
    sigmas = mismatch_of(clocked.part.text, clocked.cmos).sigmas
    assert np.std(offsets) == pytest.approx(np.sqrt(np.sum((weights * sigmas) ** 2)), rel=0.21)
