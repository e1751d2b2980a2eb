"""A kit in the open 130 nm kit's layout works as the shipped cards do: same card, once as model, once wrapped."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.process import CORNERS, Process, load_process, mismatch_of
from cosim.process.mismatch import Mismatch
from cosim.resources import read_netlist
from cosim.spice import Deck, SimulatorPool, Tolerances

from .conftest import typical_card

Array = NDArray[np.float64]

INSTANCES = ("w=2u l=0.5u", "w=2u l=0.5u m=2", "w=2u l=0.5u dvt=0.02", "w=2u l=0.5u db=0.05", "w=2u l=2u m=3")


@pytest.fixture(scope="session")
def plain(kit: Path) -> Process:
    """The kit's typical card as plain models, without subcircuits."""
    lines = [f".model {model} {kind} level=54 version=4.8.2{typical_card(model)}" for model, kind in
             (("nch", "nmos"), ("pch", "pmos"))]  # fmt: skip
    text = ".param kit__nfet_01v8__shift=0 kit__pfet_01v8__shift=0 mc_mm_switch=0 l=1 w=1 mult=1\n" + "\n".join(lines)
    (kit.parent / "plain.cir").write_text(text)
    toml = kit.read_text().replace("libs.tech/ngspice/kit.lib.spice", "plain.cir").replace('prefix = "X"', "")
    for wrapped, model in (("kit__nfet_01v8", "nch"), ("kit__pfet_01v8", "pch")):
        toml = toml.replace(f'"{wrapped}"', f'"{model}"')
    toml = toml.replace('instance = "w={w*1e6} l={l*1e6} nf=1 m={m}"', "")
    toml = toml.replace('{ TT = "tt", FF = "ff", SS = "ss", FS = "fs", SF = "sf" }', '{ TT = "" }')
    (kit.parent / "plain.toml").write_text(toml)
    return load_process(kit.parent / "plain.toml")


def currents(process: Process, pool: SimulatorPool, corner: str = "TT", gate: float = 1.0) -> Array:
    """Drain currents of an NMOS and a PMOS of every instance at |Vds| = 1.8 V, shape (2, instances) [A]."""
    lines = [process.text(corner), "vd d 0 1.8", "vp p 0 -1.8", f"vgn gn 0 {gate}", f"vgp gp 0 {-gate}"]
    for number, instance in enumerate(INSTANCES):
        lines += [f"vn{number} d dn{number} 0", f"xn{number} dn{number} gn 0 0 nmos {instance}"]
        lines += [f"vp{number} dp{number} p 0", f"xp{number} dp{number} gp 0 0 pmos {instance}"]
    names = [[f"i(v{kind}{number})" for number in range(len(INSTANCES))] for kind in "np"]
    saves = tuple(name for row in names for name in row)
    result = pool.run([Deck("currents", "\n".join(lines), (".op",), saves, Tolerances(reltol=1e-7))])[0]
    assert result.ok, result.failure
    return np.array([[result[name][0] for name in row] for row in names])


def test_wrapping_changes_nothing_but_how_mismatch_is_applied(kit: Path, plain: Process, pool: SimulatorPool) -> None:
    wrapped = currents(load_process(kit), pool)
    model = currents(plain, pool)
    same = [0, 1, 4]
    # The same equations at the same bias: reltol 1e-7 of a voltage, some ten times that of a current.
    np.testing.assert_allclose(wrapped[:, same], model[:, same], rtol=1e-6)
    np.testing.assert_allclose(wrapped[:, 1], 2 * wrapped[:, 0], rtol=1e-6)  # devices in parallel count once
    # A wrapped transistor's current factor is the factor of its current. In the model it is the mobility, and
    # velocity saturation hides a part of it in the NMOS: less than 30 % at 0.5 um and 0.5 V of overdrive.
    np.testing.assert_allclose(wrapped[:, 3] / wrapped[:, 0], 1.05, rtol=1e-6)
    assert np.all((model[:, 3] / model[:, 0] > 1.035) & (model[:, 3] / model[:, 0] < 1.051))
    # The model's threshold shift also weakens the mobility (BSIM4's effective field holds V_T), 1.2 % of the current
    # here, so the two answers to 20 mV differ by a fifth of it at 0.5 V of overdrive.
    change = [(each[:, 2] - each[:, 0]) for each in (wrapped, model)]
    assert np.all(np.sign(change[0]) == np.sign(change[1]))
    assert np.all(np.abs(change[0] / change[1] - 1) < 0.2)


def test_a_wrapped_threshold_shift_is_a_shift_of_the_gate(kit: Path, pool: SimulatorPool) -> None:
    """I(V_G, dvt) = I(V_G - dvt, 0), exactly, of the NMOS; of the PMOS with the other sign of the gate's."""
    process = load_process(kit)
    shifted, low, high = currents(process, pool), *(currents(process, pool, gate=gate) for gate in (0.98, 1.02))
    np.testing.assert_allclose(shifted[0, 2], low[0, 0], rtol=1e-6)
    np.testing.assert_allclose(shifted[1, 2], high[1, 0], rtol=1e-6)


def test_corners_of_the_kit(kit: Path, pool: SimulatorPool) -> None:
    process = load_process(kit)
    on = {corner: np.abs(currents(process, pool, corner)[:, 0]) for corner in CORNERS}
    assert np.all(on["FF"] > on["TT"]) and np.all(on["TT"] > on["SS"])
    # The kit's corners shift one threshold each: the skewed ones are the fast and the slow one of each kind.
    np.testing.assert_allclose(on["FS"], [on["FF"][0], on["SS"][1]], rtol=1e-6)
    np.testing.assert_allclose(on["SF"], [on["SS"][0], on["FF"][1]], rtol=1e-6)


def test_bins_by_the_width_of_a_finger(kit: Path, pool: SimulatorPool) -> None:
    """Two fingers of 12 um are two transistors of 12 um, and not of the bin of 24 um, whose threshold is lower."""
    process = load_process(kit)
    lines = [process.text(), "vd d 0 1.8", "vg g 0 0.7"]
    for name, size in (("fingers", "w=24 l=0.5 nf=2"), ("two", "w=12 l=0.5 nf=1 m=2"), ("wide", "w=24 l=0.5 nf=1")):
        lines += [f"v{name} d {name} 0", f"x{name} {name} g 0 0 kit__nfet_01v8 {size}"]
    saves = ("i(vfingers)", "i(vtwo)", "i(vwide)")
    result = pool.run([Deck("fingers", "\n".join(lines), (".op",), saves)])[0]
    fingers, two, wide = (result[name][0] for name in saves)
    assert fingers == pytest.approx(two, rel=1e-4)
    assert wide > 1.05 * two


def offsets(process: Process, kind: Mismatch, mismatch: Array, pool: SimulatorPool) -> Array:
    """Trip points of the two-stage comparator against 1 V, shape (n,) [V]."""
    lines = [process.text(), read_netlist("comparator_two_stage"), "vdd vdd 0 1.8", "vref ref 0 1"]
    lines.append("xbias bias vdd 0 comparator_bias iref=40u")
    for number, values in enumerate(mismatch):
        text = " ".join(f"{name}={value:.9g}" for name, value in zip(kind.names, values, strict=True))
        lines.append(f"bin{number} in{number} 0 v=1+0.3*(1-v(out{number})/0.9)")
        lines.append(f"xc{number} in{number} ref out{number} bias vdd 0 comparator {text}")
    saves = tuple(f"v(in{number})" for number in range(len(mismatch)))
    result = pool.run([Deck("offsets", "\n".join(lines), (".op",), saves, Tolerances(reltol=1e-6))])[0]
    assert result.ok, result.failure
    return np.array([result[name][0] for name in saves]) - 1.0


def test_mismatch_of_a_comparator_through_the_kit(kit: Path, plain: Process, pool: SimulatorPool) -> None:
    """Offset by one sigma of each parameter, in both forms of the same card."""
    process = load_process(kit)
    kind = mismatch_of(read_netlist("comparator_two_stage"), process)
    np.testing.assert_allclose(kind.sigmas[0], 3.4e-9 / np.sqrt(2 * 8e-6 * 0.5e-6), rtol=1e-12)
    one_each = np.vstack([np.zeros(len(kind.names)), np.diag(kind.sigmas)])
    wrapped, model = (offsets(each, kind, one_each, pool) for each in (process, plain))
    assert wrapped[0] == pytest.approx(model[0], abs=1e-6)  # the systematic offset
    by = dict(zip(kind.names, zip(wrapped[1:] - wrapped[0], model[1:] - model[0], strict=True), strict=True))
    # A voltage in series with an input's gate is an offset of that size, whatever follows; 0.2 % for the tail's
    # finite resistance.
    assert by["dvt1"][0] == pytest.approx(kind.sigmas[0], rel=2e-3)
    assert by["dvt2"][0] == pytest.approx(-kind.sigmas[1], rel=2e-3)
    # BSIM4's own shift weakens the mobility too: 6 % more in the pair, 15 % in the loads, which have more overdrive.
    for name, limit in (("dvt1", 0.08), ("dvt2", 0.08), ("dvt3", 0.18), ("dvt4", 0.18)):
        assert 1 - limit < by[name][0] / by[name][1] < 1
    for name in ("db1", "db2", "db3", "db4"):
        assert by[name][0] == pytest.approx(by[name][1], rel=0.02)
    # All in all the spread of the offset differs by 7 %.
    spread = [np.sqrt(np.sum((each[1:] - each[0]) ** 2)) for each in (wrapped, model)]
    assert spread[0] == pytest.approx(spread[1], rel=0.1)
