"""What the supply gives for one operation of a tile, in closed form: inputs, array, integrators, ramp, comparators.

An input of code n drives a pair of word lines by +V_read and -V_read about V_CLP for T |n| / N. The cells dissipate

    E_array = sum over cells of V_read^2 G T |n| / N,

and the supply V_DD gives more than that: of each charge its whole fall from V_DD, as any driver that takes its current
from the supply does. The lines above V_CLP source V_read G T |n| / N; the amplifiers' outputs (class B) source what
the bit lines draw net, max(I_j(t), 0); each pulsed line takes its capacitance's charge C V_read twice a pair, each
driver the energy of its own gates. The ramp column is the same with one cell at a time. All G are what wires, drivers,
clamps and the integrators' bandwidth leave of them, as in `tiles.array`.

Covered: everything that a supply's current is simulated for in the macro (`blocks.macro`), with which this is compared
in `costs.supply`. Not covered there, and a product with a constant here: the amplifiers' current at rest, for they are
macro-models. In no deck and hence in no comparison: counters and clock, which `costs.digital` counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.ladders import attenuation
from cosim.blocks.macro.config import MacroConfig
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.column import SWITCH_ON
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import effective_conductance, step_voltage
from cosim.costs.comparators import ComparatorPower
from cosim.costs.timing import OperationTimes
from cosim.tiles.array import HEADROOM, LEAST_OUTPUT, virtual_ground
from cosim.tiles.config import TileConfig, input_pulse
from cosim.tiles.quantise import full_scale

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

PARTS = ("row_energy", "integrator_energy", "column_energy", "comparator_energy", "bias_energy")
"""What `operation_energy` tells, each of which the supply gives; `array_dissipation` is a part of the first two."""


@dataclass(frozen=True)
class TileCircuit:
    """What the energy of a tile's operation follows from.

    Attributes
    ----------
    adc: the ramp ADC, with V_read, V_CLP, V_DD and the capacitance of a line.
    dac_bits: of the inputs, sign included.
    pulse: length of a full-scale input pulse [s].
    by_width: whether the pulse's width carries the code, else its amplitude.
    resistances: segment of a word line, of a bit line, driver, clamp [ohm].
    ground: resistance that an integrator's virtual ground amounts to [ohm], see `tiles.array`.
    driver_energy: of the gates of a word line's driver, each pulse [J].
    lines: word lines of an input; of two the first goes below V_CLP for a positive code, the second above it.
    idle: word lines at rest, which come first.
    bit_lines: columns with an integrator, which come first; None: all.
    """

    adc: RampAdcConfig
    dac_bits: int
    pulse: float
    by_width: bool
    resistances: tuple[float, float, float, float]
    ground: float
    driver_energy: float = 0.0
    lines: int = 2
    idle: int = 0
    bit_lines: int | None = None


def circuit_of_tile(config: TileConfig, driver_energy: float = 0.0) -> TileCircuit:
    """Of a tile."""
    array = config.array
    resistances = (array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp)
    return TileCircuit(
        config.adc, config.dac_bits, input_pulse(config), config.input_mode == "pulse width", resistances,
        virtual_ground(config)[1], driver_energy, config.lines_per_input,
        config.lines_per_input * config.idle_inputs, config.bit_lines,
    )  # fmt: skip


def circuit_of_macro(config: MacroConfig, driver_energy: float = 0.0) -> TileCircuit:
    """Of a macro, whose inputs are pulse widths."""
    array = config.array
    # The settling time of the macro and of a tile are the same, so the tile's virtual ground is the macro's.
    tile = TileConfig(
        inputs=config.inputs, outputs=config.outputs, dac_bits=config.dac_bits, w_max=config.w_max,
        adc=RampAdcConfig(**{name: getattr(config, name) for name in RampAdcConfig.model_fields}),
    )  # fmt: skip
    resistances = (array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp)
    return TileCircuit(
        tile.adc, config.dac_bits, config.input_pulse, True, resistances, virtual_ground(tile)[1], driver_energy
    )


def seen_by_rows(cells: Array, circuit: TileCircuit) -> Array:
    """What a word line's wire and driver leave of its cells' conductances, (word lines, bit lines) [S].

    The two lines of a pair are driven apart by the same voltage, so that on a bit line their currents nearly cancel
    and its end stays near V_CLP.
    """
    row, _, driver, _ = circuit.resistances
    return np.asarray(cells * attenuation(np.ascontiguousarray(cells), row, driver))


def seen_by_columns(cells: Array, circuit: TileCircuit) -> Array:
    """What reaches the integrators, (word lines, bit lines) [S]: bit lines, clamps and virtual grounds count as well.

    Each cell through its own two lines, loaded by all the others at rest.
    """
    _, column, _, clamp = circuit.resistances
    along = attenuation(np.ascontiguousarray(cells.T[:, ::-1]), column, clamp + circuit.ground)[:, ::-1].T
    return np.asarray(seen_by_rows(cells, circuit) * along)


def drives(codes: Codes, circuit: TileCircuit, lines: int) -> Array:
    """What the word lines are driven with, as a share of full scale, above V_CLP or (negative) below it.

    `codes` (vectors, inputs), -N .. N; returns (vectors, lines).
    """
    driven = np.zeros((len(codes), lines))
    share = codes / full_scale(circuit.dac_bits)
    driven[:, circuit.idle :: circuit.lines] = -share
    if circuit.lines == 2:
        driven[:, circuit.idle + 1 :: 2] = share
    return driven


def array_dissipation(cells: Array, codes: Codes, circuit: TileCircuit) -> Array:
    """sum of V^2 G T over the cells, for each vector of `codes` (vectors, inputs); shape (vectors,) [J].

    Of amplitude inputs the square of the amplitude counts, of pulse widths the width.
    """
    driven = np.abs(drives(codes, circuit, len(cells)))
    weight = driven if circuit.by_width else driven**2
    return np.asarray(circuit.adc.v_read**2 * circuit.pulse * (weight @ cells.sum(axis=1)))


def row_charges(cells: Array, codes: Codes, circuit: TileCircuit) -> Array:
    """Charge that the word lines above V_CLP deliver into the cells, (vectors,) [C]."""
    above = np.clip(drives(codes, circuit, len(cells)), 0.0, None)
    return np.asarray(circuit.adc.v_read * circuit.pulse * (above @ cells.sum(axis=1)))


def output_charges(cells: Array, codes: Codes, circuit: TileCircuit) -> Array:
    """Charge that the integrators' outputs deliver, (vectors, bit lines) [C]: net current where a bit line draws it.

    With pulse widths the net current changes as one pulse after another ends, so each output is followed over the
    code's steps: it delivers C_fb times what it rises, and no more at its upper limit.
    """
    n, own, adc = full_scale(circuit.dac_bits), cells[:, : circuit.bit_lines], circuit.adc
    gain = adc.v_read * circuit.pulse / adc.c_fb
    if not circuit.by_width:
        return np.asarray(adc.c_fb * np.clip(_held(-gain * drives(codes, circuit, len(cells)) @ own, adc), 0.0, None))
    held = np.zeros((len(codes), own.shape[1]))
    risen = np.zeros_like(held)
    for step in range(1, n + 1):
        active = np.where(np.abs(codes) >= step, np.sign(codes) * n, 0)
        moved = _held(held - gain / n * drives(active, circuit, len(cells)) @ own, adc)
        risen += np.clip(moved - held, 0.0, None)
        held = moved
    return np.asarray(adc.c_fb * risen)


def _held(mac: Array, adc: RampAdcConfig) -> Array:
    """Outputs above V_CLP [V], no further than an amplifier goes."""
    return np.clip(mac, LEAST_OUTPUT - adc.v_clp, adc.v_dd - HEADROOM - adc.v_clp)


@dataclass(frozen=True)
class ColumnEnergy:
    """Of the ramp column in one conversion, which all columns of a tile share [J]."""

    drivers: float  # rows and word lines of its cells
    output: float  # what its integrator delivers
    dissipated: float  # in its cells, which is a part of the two


def column_energy(adc: RampAdcConfig, chip: Chip) -> ColumnEnergy:
    """Closed form: each cell's charge V_read G T from V_DD, and the charge of the lines that select it.

    A cell that raises the ramp draws its charge out of the integrator's output, one that lowers it out of its row.
    """
    signs = chip.bias_signs
    ramp = effective_conductance(chip.ramp, adc) * (1.0 if chip.pulse is None else chip.pulse)
    bias = effective_conductance(chip.bias, adc)
    per_siemens = adc.v_read * adc.t_pulse
    pulsed = len(chip.ramp) + int(np.count_nonzero(signs))
    lines = pulsed * adc.c_line * (adc.v_read + (SWITCH_ON if adc.idle_word_lines == "off" else 0.0))
    down, up = float(bias[signs < 0].sum()), float(bias[signs > 0].sum())
    drivers = adc.v_dd * (lines + per_siemens * down)
    output = adc.v_dd * per_siemens * (float(ramp.sum()) + up)
    cells = adc.v_read * per_siemens * (float(ramp.sum()) + up + down)
    return ColumnEnergy(drivers, output, cells)


def operation_energy(
    cells: Array, codes: Codes, circuit: TileCircuit, chip: Chip, power: ComparatorPower, times: OperationTimes
) -> dict[str, Array]:
    """Energies of each vector, (vectors,) [J], by `PARTS` and "array_dissipation".

    Parameters
    ----------
    cells: conductances of shape (word lines, bit lines) [S].
    codes: of the inputs, -N .. N, shape (vectors, inputs).
    chip: its ramp column.
    power: of its comparators; they and their bias generator are on for the whole operation.
    times: of the operation.
    """
    adc = circuit.adc
    cells = np.asarray(cells, dtype=np.float64)
    drawn, reaching = seen_by_rows(cells, circuit), seen_by_columns(cells, circuit)
    pulsed = float(circuit.lines) * np.count_nonzero(codes, axis=1)
    column = column_energy(adc, chip)
    outputs = output_charges(reaching, codes, circuit)
    rows = adc.v_dd * (row_charges(drawn, codes, circuit) + pulsed * adc.c_line * adc.v_read)
    mac = mac_voltages(reaching, codes, circuit)
    return {
        "row_energy": rows + pulsed * circuit.driver_energy,
        "integrator_energy": adc.v_dd * outputs.sum(axis=1) + column.output,
        "column_energy": np.full(len(codes), column.drivers),
        "comparator_energy": comparator_energy(mac, adc, chip, power, times).sum(axis=1),
        "bias_energy": np.full(len(codes), power.bias * times.total),
        "array_dissipation": array_dissipation(drawn, codes, circuit),
    }


def mac_voltages(seen: Array, codes: Codes, circuit: TileCircuit) -> Array:
    """What the integrators hold, above V_CLP, (vectors, bit lines) [V]: V_read T / C_fb sum of n / N G.

    No further than an amplifier's output goes.
    """
    adc, own = circuit.adc, seen[:, : circuit.bit_lines]
    mac = adc.v_read * circuit.pulse / adc.c_fb * (-drives(codes, circuit, len(seen)) @ own)
    return _held(mac, adc)


def comparator_energy(
    mac: Array, adc: RampAdcConfig, chip: Chip, power: ComparatorPower, times: OperationTimes
) -> Array:
    """Of each conversion, shape of `mac` [J].

    Until the ramp leaves V_CLP it is the sign of the MAC result that says on which side of its input the ramp lies;
    then the ramp is below it for one clock period after each bias cell and for each level that it passes, and for half
    of the pulse that takes it past.
    """
    held = np.asarray(mac)[..., None]
    levels = chip.levels(adc)
    start = step_voltage(adc) * np.cumsum(chip.bias_signs * effective_conductance(chip.bias, adc))
    periods = (held > levels).sum(axis=-1) + (held > start).sum(axis=-1)
    tripping = (held[..., 0] > levels[0]) & (held[..., 0] <= levels[-1])
    waiting = times.total - times.levels - len(start) * adc.t_clock
    before = periods * adc.t_clock + tripping * adc.t_pulse / 2 + np.where(held[..., 0] > 0.0, waiting, 0.0)
    return power.energy(mac, before, times.total - before)
