"""The macro as one circuit: codes, agreement with the two-deck tile, energies."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks import macro
from cosim.blocks.dataset import validate
from cosim.blocks.macro.characterisation import (
    characterise,
    conductance_targets,
    draw_chips,
    draw_inputs,
    draw_weights,
    figures_of,
    ideal_codes,
)
from cosim.blocks.macro.config import MacroConfig
from cosim.blocks.macro.netlist import ENERGIES, MacroChip, macro_deck, phases
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.design import design_column, device_of
from cosim.blocks.ramp_adc.timing import EDGE
from cosim.spice import Result, SimulatorPool
from cosim.tiles.chip import TileChip
from cosim.tiles.config import TileConfig, input_pulse
from cosim.tiles.spice import SpiceTile

Array = NDArray[np.float64]

CONFIG = MacroConfig(bits=3, inputs=3, outputs=3)

# A comparator whose inputs take no current, so that every element of the signal path can be accounted for.
IDEAL = """\
* mismatch none
.subckt comparator inp inn out bias vdd vss
b1 o vss v=0.9*(1+tanh(2000*v(inp,inn)))
r1 o out 1k
c1 out vss 1f
r2 vdd vss 10k
r3 bias vss 1e9
.ends
.subckt comparator_bias bias vdd vss iref=20u
i1 vdd bias {iref}
r1 bias vss 10k
.ends
"""


def nominal(config: MacroConfig, seed: int = 1) -> MacroChip:
    return draw_chips(config, draw_weights(config, seed), 0, seed)[0]


@pytest.fixture(scope="module")
def data(pool: SimulatorPool) -> xr.Dataset:
    return characterise(CONFIG, vectors=2, chips=1, seed=2, pool=pool, show_progress=False)


def test_figures(data: xr.Dataset) -> None:
    validate(data, "macro")
    assert set(macro.FIGURES) <= set(data.data_vars)
    assert set(macro.SWEEPS) == {"vectors", "chips"}
    assert data["status"].values.tolist() == [[0, 0], [0, 0]]
    assert data.sizes["output"] == 3 and float(data["operations"]) == 2 * 3 * 3
    # IR drop in drivers and wires takes at most the row's load times the driver: 100 ohm x 3 x 150 uS = 4.5 %.
    mac = data["mac"].values
    error = data["mac_error"].sel(chip=-1).values
    assert np.all(np.abs(error) <= 0.05 * np.abs(mac) + 0.01)
    # A code may be off by one where the MAC result lies within that error of a threshold.
    stairs = CONFIG.staircase.thresholds
    near = np.min(np.abs(mac[..., None] - stairs), axis=-1) < np.abs(error) + 0.02
    assert np.all((data["code_error"].sel(chip=-1).values == 0) | near)
    assert np.all(np.abs(data["code_error"]) <= 1)
    # Nothing but the finite gain moves a held voltage: 1e-4 of the swing and less.
    assert np.all(np.abs(data["droop"]) < 60e-6)


def test_energies(data: xr.Dataset) -> None:
    for name in ("comparator_energy", "row_energy", "array_dissipation", "column_dissipation"):
        assert 0 < data[name].attrs["step_change"] <= 0.02 * float(data[name].max())
    time = float(data["latency"])
    bias = CONFIG.v_dd * CONFIG.i_bias * time
    np.testing.assert_allclose(data["bias_energy"], bias, rtol=0.01)
    # Tail and second stage carry 2 and at most 1 of the reference; edges of the outputs add little.
    assert np.all((data["comparator_energy"] > 3 * 1.7 * bias) & (data["comparator_energy"] < 3 * 3.2 * bias))
    parts = ("comparator_energy", "bias_energy", "row_energy", "column_energy", "integrator_energy", "amplifier_energy")
    np.testing.assert_allclose(data["energy"], sum(data[name] for name in parts), rtol=1e-12)
    # Three integrators and that of the ramp, each 631 uA at 1.8 V: they take more than all else.
    assert float(data["amplifier_energy"]) == pytest.approx(4 * 631e-6 * 1.8 * time, rel=1e-12, abs=0)
    assert np.all(data["amplifier_energy"] > 0.5 * data["energy"])
    np.testing.assert_allclose(data["energy_per_operation"], data["energy"] / 18, rtol=1e-12)
    # Array: G V_read^2 for the length of each row's pulse, less what the driver's drop takes (to 5 % twice).
    unit = CONFIG.input_pulse / CONFIG.full_scale
    device = device_of(CONFIG)
    conductance = conductance_targets(data["weight"].values, CONFIG, device).sum(axis=1)
    length = np.repeat(np.abs(data["input_code"].values), 2, axis=1) * unit
    dissipated = CONFIG.v_read**2 * length @ conductance
    found = data["array_dissipation"].sel(chip=-1).values
    assert np.all((found < dissipated * 1.001) & (found > 0.9 * dissipated))


def test_one_circuit_and_two_decks_agree(pool: SimulatorPool) -> None:
    """The tile's way: array and ramp column in decks of their own, held voltages handed over."""
    config = CONFIG
    chip = draw_chips(config, draw_weights(config, 4), 1, 4)[1]
    codes = draw_inputs(config, 1, 4)[0]
    settings = {**config.model_dump(include=set(type(config).__mro__[1].model_fields))}
    tile_config = TileConfig(
        inputs=config.inputs, outputs=config.outputs, dac_bits=config.dac_bits, w_max=config.w_max,
        adc=settings, crossbar={"r_driver": 100.0, "r_clamp": 10.0 + 1.0, "rows": 6, "columns": 3},
    )  # fmt: skip
    assert input_pulse(tile_config) == pytest.approx(config.input_pulse, rel=1e-12, abs=0)
    tile = SpiceTile(tile_config, pool)
    tile.chip = TileChip(chip.conductances, chip.conductances, chip.adc, np.zeros(config.outputs))
    first, one = pool.run([tile.array_deck(codes), macro_deck(config, chip, codes)])
    mac = np.array([first[f"v(o{n})"][-1] for n in range(config.outputs)])
    second = pool.run([tile.ramp_deck(mac)])[0]
    figures = figures_of(one, config)
    # 1 ohm of the isolation switch is in the tile's clamp here. What is left are the time steps' errors.
    np.testing.assert_allclose(figures["mac"], mac - config.v_clp, atol=0.1e-3)
    assert figures["code"].tolist() == tile._codes(iter([second])).tolist()


def test_drivers_of_transistors(pool: SimulatorPool) -> None:
    """Each driver's two edges are delayed alike, to 0.1 ns; its 0.2 kohm take the place of the ideal one's 0.1."""
    config = CONFIG.model_copy(update={"driver": "dac_driver"})
    codes = draw_inputs(config, 1, 6)[0]
    decks = [macro_deck(each, nominal(each, 6), codes) for each in (CONFIG, config)]
    ideal, real = (figures_of(result, CONFIG) for result in pool.run(decks))
    lost = 0.06 * np.abs(ideal["mac"]).max() + CONFIG.v_read * 0.1e-9 * 150e-6 * 6 / CONFIG.c_fb
    np.testing.assert_allclose(real["mac"], ideal["mac"], atol=lost)
    assert np.abs(real["mac"] - ideal["mac"]).max() > 0.1e-3
    assert np.abs(real["code"] - ideal["code"]).max() <= 1
    # The drivers' own gates take energy too: 72 um of channel each row's pulse.
    row = ENERGIES.index("erow")
    assert real["energy"][row] > ideal["energy"][row] + 1e-12


def test_a_drivers_energy_does_not_grow_with_its_pulse(pool: SimulatorPool) -> None:
    """Gates take their charge at the edges. By the trapezoidal rule their currents rang between the ideal sources, and
    a pulse three times as long took 40 % more."""
    config = CONFIG.model_copy(update={"driver": "dac_driver", "inputs": 1, "outputs": 1})
    full = config.full_scale
    decks = [macro_deck(config, nominal(config, 6), np.array([code])) for code in (full, full // 3)]
    row = ENERGIES.index("erow")
    longer, shorter = (figures_of(result, config)["energy"][row] for result in pool.run(decks))
    cells = config.v_dd * config.v_read * config.input_pulse * 151e-6  # both cells' charge at most
    assert 0.0 <= longer - shorter < cells + 0.02 * shorter


def integrals(result: Result, powers: Array) -> float:
    """Energy of powers at every point, shape (n, points) [J]."""
    return float(np.trapezoid(powers.sum(axis=0), result["time"]))


def test_power_balance(tmp_path: Path, pool: SimulatorPool) -> None:
    """What all sources give is dissipated or stored (Tellegen), element by element from the node voltages."""
    netlist = tmp_path / "ideal.cir"
    netlist.write_text(IDEAL)
    config = MacroConfig(bits=2, inputs=2, outputs=2, comparator=str(netlist), r_wire_row=5.0, r_wire_column=5.0)
    chip, codes = nominal(config), np.array([9, -15])
    deck = macro_deck(config, chip, codes, every_point=True).with_tolerances(reltol=1e-5)
    elements = re.findall(r"^([RCS])(\S+) (\S+) (\S+) (\S+)", deck.circuit.split(".ends")[-1], re.I | re.M)
    # Not those that count energies and clocks, nor the word lines' capacitors: those hang on sources of their own.
    counts = r"e[a-z]+|n\d+|nref|w[br]\d+"
    parts = [(kind.lower(), *rest) for kind, *rest in elements if not re.fullmatch(counts, rest[1])]
    columns = [f"int{n}" for n in range(config.outputs)] + ["ramp"]
    cells = [f"b{n}" for n in range(len(chip.adc.bias))] + [f"r{n}" for n in range(len(chip.adc.ramp))]
    sources = [(f"in{n}", f"in{n}") for n in range(4)] + [(cell, cell) for cell in cells]
    nodes = sorted({node for _, _, a, b, _ in parts for node in (a, b)} - {"0"} | {"ramp", "rbl", "clp"})
    saves = [f"v({node})" for node in nodes] + [f"v(m{n})" for n in range(2)] + [f"v(ib{n})" for n in range(2)]
    saves += [f"i(v{name})" for name, _ in sources] + [f"i(vc{n})" for n in range(2)]
    saves += [f"i(e.x{name}.eout)" for name in columns]
    result = pool.run([replace(deck, saves=tuple(dict.fromkeys(saves)))])[0]
    assert result.ok, result.failure

    def v(node: str) -> Array:
        return result[f"v({node})"] if node != "0" else np.zeros_like(result["time"])

    given = [-v(node) * result[f"i(v{name})"] for name, node in sources]
    outputs = {"int0": "m0", "int1": "m1", "ramp": "ramp"}
    given += [-v(outputs[name]) * result[f"i(e.x{name}.eout)"] for name in columns]
    dissipated = [(v(a) - v(b)) ** 2 / float(value) for kind, _, a, b, value in parts if kind == "r"]
    through = {name: (v(a) - v(b)) / float(value) for kind, name, a, b, value in parts if kind == "r"}
    for kind, name, a, b, _ in parts:
        if kind == "s":  # the current of an access switch is its cell's, that of an isolation switch its bit line's
            current = through[name] if name in through else result[f"i(vc{name.removeprefix('iso')})"]
            dissipated.append((v(a) - v(b)) * current)

    def stored(point: int) -> float:
        energy = sum(0.5 * float(value) * (v(a) - v(b))[point] ** 2 for kind, _, a, b, value in parts if kind == "c")
        for name, bit_line in (("int0", "ib0"), ("int1", "ib1"), ("ramp", "rbl")):
            energy += 0.5 * config.c_bitline * v(bit_line)[point] ** 2
            energy += 0.5 * config.c_fb * (v(bit_line) - v(outputs[name]))[point] ** 2
        return float(energy)

    total, heat = integrals(result, np.array(given)), integrals(result, np.array(dissipated))
    change = stored(-1) - stored(0)
    assert heat > 0.2e-12 and abs(change) > 0.01e-12
    # 0.2 %: the trapezium rule over the simulator's points, where an integrator takes most of what a row gives.
    assert total == pytest.approx(heat + change, rel=2e-3, abs=0)
    # The deck's own count of the array's heat is the sum over its resistors.
    in_array = [
        (v(a) - v(b)) ** 2 / float(value) for kind, name, a, b, value in parts if kind == "r" and name[0] in "xc"
    ]
    assert len(in_array) == 4 * 2 + 2 * (4 * 2)  # cells, and a segment of both wires at each
    counted = pool.run([deck])[0]["v(earray)"][-1] * 1e-12
    assert counted == pytest.approx(integrals(result, np.array(in_array)), rel=2e-3, abs=0)


def test_chips_and_inputs_do_not_depend_on_their_number() -> None:
    weights = draw_weights(CONFIG, 1)
    one, two = (draw_chips(CONFIG, weights, count, 1)[1] for count in (1, 2))
    np.testing.assert_array_equal(one.conductances, two.conductances)
    np.testing.assert_array_equal(one.adc.mismatch, two.adc.mismatch)
    np.testing.assert_array_equal(draw_inputs(CONFIG, 2, 1), draw_inputs(CONFIG, 5, 1)[:2])
    hot = CONFIG.model_copy(update={"corner": "SS", "temperature": 125.0})
    np.testing.assert_array_equal(draw_chips(hot, weights, 1, 1)[1].conductances, one.conductances)


def test_phases_follow_each_other() -> None:
    chip = nominal(CONFIG)
    times = phases(CONFIG, chip)
    assert times.hold >= CONFIG.input_pulse + 20e-9
    assert times.start + CONFIG.t_clock > times.hold + EDGE  # the ramp starts when the bit lines are cut off
    assert times.end == pytest.approx(times.start + (2 + len(chip.adc.bias) + 6) * CONFIG.t_clock + EDGE, abs=1e-15)


def test_ideal_codes_are_the_functions() -> None:
    config = MacroConfig(bits=3, function="tanh")
    x = np.linspace(-3, 3, 101)
    expected = np.floor((np.tanh(x) + 1) / 2 * 8)
    assert ideal_codes(x, config)[np.abs((np.tanh(x) + 1) * 4 % 1) > 1e-9].tolist() == (
        expected[np.abs((np.tanh(x) + 1) * 4 % 1) > 1e-9].tolist()
    )


@pytest.mark.parametrize("wrong", [{"inputs": 0}, {"ramp": "fixed"}, {"dac_bits": 8, "w_max": 0.1}])
def test_settings_that_do_not_fit(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        MacroConfig(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [
    {"corner": "SS", "temperature": 125.0, "v_dd": 1.62}, {"corner": "FF", "temperature": -40.0, "v_dd": 1.98},
    {"cell": "sinh"}, {"inputs": 16, "outputs": 8, "bits": 5}, {"process": "generic65"},
])  # fmt: skip
def test_conditions_and_sizes(settings: dict[str, float], pool: SimulatorPool) -> None:
    config = MacroConfig(**{"bits": 4, **settings})
    data = characterise(config, vectors=2, chips=0, pool=pool, show_progress=False)
    assert (data["status"] == 0).all()
    gain = design_column(config).gain(config.v_read)
    assert gain > 0
    assert np.abs(data["code_error"]).max() <= 2
    assert float(data["energy"].min()) > 0 and set(ENERGIES)
    assert nominal_chip(config).names
