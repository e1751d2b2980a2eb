"""The tile in ngspice: each vector through the whole circuit, array, integrators, ramp column and comparators.

A conversion takes two stages. In the first, one deck, the input pulses drive the array with all its wires into the
switched integrators of all columns; wires and linear cells, a network of resistors, are reduced to its ports. Then
switches would isolate the bit lines, so the second starts from the integrators' voltages and holds them while the ramp
column is read out and comparators and counters decide. Columns meet there in nothing but the ramp and the comparators'
bias: groups of them, each with the whole ramp column, are decks of their own, which workers run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.crossbar.netlist import array_lines
from cosim.blocks.crossbar.ports import port_lines
from cosim.blocks.ramp_adc.column import SWITCH_ON, column_lines, integrator_line, timeline
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.netlist import (
    TRANSIENT,
    comparator_lines,
    conversion_deck,
    models_text,
    offset_deck,
    rounded_code,
)
from cosim.blocks.ramp_adc.timing import EDGE, pulse
from cosim.blocks.sources import pwl
from cosim.errors import CosimError
from cosim.spice import Deck, Result, SimulatorPool, Tolerances, default_pool
from cosim.tiles.chip import TileChip, draw_tile_chip, with_offsets
from cosim.tiles.config import SETTLING, TileConfig, check_inputs, corrected, input_pulse
from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.quantise import dac_codes, decode, full_scale
from cosim.units import format_si

Array = NDArray[np.float64]

Wires = Literal["reduced", "simulated"]

RESET_END = 10e-9  # [s]
# Columns of one ramp deck. The ramp column, which each repeats, takes as long as two columns of comparators.
COLUMNS_A_DECK = 32
LARGEST_COUNT_ERROR = 0.25  # a counter this far from a whole number was cut short: the comparator was undecided


@dataclass
class Counts:
    """What was seen of the conversions so far, for the report."""

    conversions: int = 0
    decks: int = 0
    undecided: int = 0


class SpiceTile:
    """The tile at transistor level.

    Parameters
    ----------
    config: the tile.
    pool: the workers; the process's own when None.
    law: replaces the configured one of its cells.
    wires: of linear cells, whether ngspice solves all wires and cells of the array at each time step ("simulated") or
        the resistors between its ports that they amount to ("reduced", see `crossbar.ports`): the same voltages to some
        0.1 nV, thirty times as fast. Cells that are not linear are always simulated.
    columns_a_deck: so many columns share a deck of ramp and comparators. Codes do not depend on it: the ramp's voltages
        move by some nV, which is the solver's own tolerance.

    Raises CosimError when the shortest pulse of an input is not longer than its edges.
    """

    def __init__(
        self, config: TileConfig, pool: SimulatorPool | None = None, law: CellKind | None = None,
        columns_a_deck: int = COLUMNS_A_DECK, wires: Wires = "reduced",
    ) -> None:  # fmt: skip
        if columns_a_deck < 1:
            raise CosimError("a deck holds at least one column", key="columns_a_deck", value=columns_a_deck)
        if wires not in get_args(Wires):
            raise CosimError("there is no such choice", key="wires", value=wires, allowed=get_args(Wires))
        shortest = input_pulse(config)
        if config.input_mode == "pulse width":
            shortest /= full_scale(config.dac_bits)
        if shortest <= EDGE:
            raise CosimError(
                f"the shortest input pulse, {format_si(shortest, 's')}, must be longer than its edges,"
                f" {format_si(EDGE, 's')}",
                key="w_max",
                value=config.w_max,
                allowed=f"above {config.w_max * EDGE / shortest:.3g} with {config.dac_bits} DAC bits;"
                " or inputs as amplitudes",
            )
        self.config, self.law = config, law or config.law
        self.pool = pool or default_pool()
        self.inputs, self.outputs = config.inputs, config.outputs
        self.columns_a_deck, self.wires = columns_a_deck, wires
        self._reduced: tuple[TileChip, str] | None = None
        self.chip: TileChip | None = None
        self.counts = Counts()
        self.deck_keys: list[str] = []

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Write a chip, and measure its comparators' static offsets from their mismatch (an ngspice `.op`)."""
        chip = draw_tile_chip(weights, self.config, rng)
        self._check_dac(chip)
        deck = offset_deck(self.config.adc, chip.adc.names, chip.adc.mismatch)
        result = self._good(self.pool.run([deck])[0])
        trips = [float(result[f"v(in{number})"][0]) for number in range(self.config.bit_lines)]
        self.chip = with_offsets(chip, np.array(trips) - self.config.adc.v_clp)

    def _check_dac(self, chip: TileChip) -> None:
        if chip.dac is None or self.config.input_mode != "pulse width":
            return
        n = full_scale(self.config.dac_bits)
        shortest = float(np.abs(np.delete(chip.dac, n, axis=1)).min()) * input_pulse(self.config)
        if shortest <= EDGE:
            raise CosimError(
                f"an input pulse of this chip, {format_si(shortest, 's')}, is not longer than its edges,"
                f" {format_si(EDGE, 's')}",
                key="dac_sigma",
                value=self.config.dac_sigma,
            )

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs). Raises CosimError when a simulation fails, naming the kept deck."""
        del rng
        return hold({"": self.converse(inputs)}, self.pool)[""]

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
        """ADC codes (batch, bit lines), that of a correction column last."""
        del rng
        return hold({"": self._convert(inputs)}, self.pool)[""].astype(np.int64)

    def at_v_reads(self, inputs: NDArray[np.floating], v_reads: Sequence[float]) -> tuple[Array, NDArray[np.int64]]:
        """The chip at other read voltages: MAC results in units of the network, and codes.

        Both of shape (v_reads, batch, bit lines). Everything else stays, the lengths of the pulses included.
        """
        tiles = []
        for v_read in v_reads:
            adc = self.config.adc.model_copy(update={"v_read": v_read})
            tile = SpiceTile(
                self.config.model_copy(update={"adc": adc}), self.pool, self.law, self.columns_a_deck, self.wires
            )
            tile.chip, tile.counts, tile.deck_keys = self.chip, self.counts, self.deck_keys
            tiles.append(tile)
        return _measure(tiles, inputs)

    def measure(self, inputs: NDArray[np.floating]) -> tuple[Array, NDArray[np.int64]]:
        """MAC results in units of the network, and codes; both of shape (batch, bit lines)."""
        macs, codes = _measure([self], inputs)
        return macs[0], codes[0]

    def converse(self, inputs: NDArray[np.floating]) -> Conversation:
        """The conversion as a conversation: yields decks, is sent their results, returns activations.

        Several tiles can so share one run of the worker pool (`cosim.tiles.together`).
        """
        codes = yield from self._convert(inputs)
        function = self.config.adc.activation
        return corrected(decode(codes, function.low, function.high, self.config.adc.bits), self.config)

    def _convert(self, inputs: NDArray[np.floating]) -> Conversation:
        """The same, returning codes, whole numbers in float64."""
        if self.chip is None:
            raise CosimError("the tile is not programmed; call its program(weights, rng) first")
        codes = dac_codes(check_inputs(inputs, self.config), self.config.dac_bits)
        macs = [self._mac(self._good(result)) for result in (yield [self.array_deck(row) for row in codes])]
        results = iter((yield [deck for mac in macs for deck in self.ramp_decks(mac)]))
        adc_codes = [self._codes(results) for _ in macs]
        return np.array(adc_codes, dtype=np.float64).reshape(-1, self.config.bit_lines)

    def array_deck(self, codes: NDArray[np.int64], wires: Wires | None = None) -> Deck:
        """Input pulses, array and integrators; keeps each integrator's voltage at the end.

        `codes` (inputs,); `wires`: the tile's own choice when None.
        """
        assert self.chip is not None
        adc, chip = self.config.adc, self.chip
        longest, top = input_pulse(self.config), full_scale(self.config.dac_bits)
        by_width = self.config.input_mode == "pulse width"
        word_lines, idle = self.config.lines_per_input, self.config.idle_inputs
        columns = self.config.array.columns
        lines = [models_text(adc), f"Vclp clp 0 {adc.v_clp:.9g}"]
        lines.append("Vrst rst 0 " + pwl([(0, SWITCH_ON), (RESET_END - 2 * EDGE, SWITCH_ON), (RESET_END - EDGE, 0)]))
        for number, code in enumerate(codes.tolist()):
            share = code / top if chip.dac is None else float(chip.dac[number, code + top])
            width, height = (abs(share) * longest, np.sign(share)) if by_width else (longest, share)
            # An input below V_CLP raises the inverting integrator.
            for side, sign in enumerate((-1, 1)[:word_lines], word_lines * (idle + number)):
                level = adc.v_clp + sign * height * adc.v_read
                drive = pwl([(0.0, adc.v_clp), *pulse(RESET_END, width, adc.v_clp, level)])
                lines.append(f"Vin{side} r{side} 0 {drive if code else adc.v_clp}")
        lines += [f"Vin{line} r{line} 0 {adc.v_clp}" for line in range(word_lines * idle)]
        lines.append(self._array_lines(chip, wires or self.wires))
        lines += [integrator_line(f"int{column}", f"c{column}", f"o{column}", adc) for column in range(columns)]
        end = RESET_END + longest + SETTLING
        return Deck(
            f"tile {self.inputs} x {self.outputs}: array and integrators",
            "\n".join(lines),
            (f".tran {longest / 50:.9g} {end:.12g} uic",),
            tuple(f"v(o{column})" for column in range(self.config.bit_lines)),
            Tolerances(**{**TRANSIENT.__dict__, "temperature": adc.temperature}),
            (end,),
        )

    def _array_lines(self, chip: TileChip, wires: Wires) -> str:
        array = self.config.array
        if wires == "simulated" or self.law != "linear":
            return array_lines(chip.conductances, array, self.law, sinh_as="diodes")
        if self._reduced is None or self._reduced[0] is not chip:
            text = array_lines(chip.conductances, array)
            driven, free = [f"r{i}" for i in range(array.rows)], [f"c{j}" for j in range(array.columns)]
            self._reduced = chip, port_lines(text, driven, free)
        return self._reduced[1]

    def ramp_decks(self, mac: Array) -> list[Deck]:
        """The decks that convert MAC voltages (bit lines,) [V], `columns_a_deck` columns each."""
        return [self.ramp_deck(mac, columns) for columns in self._groups()]

    def _groups(self) -> list[range]:
        """Columns of each ramp deck; as even as can be, so that workers end together."""
        count = -(-self.config.bit_lines // self.columns_a_deck)
        return [
            range(self.config.bit_lines * k // count, self.config.bit_lines * (k + 1) // count) for k in range(count)
        ]

    def ramp_deck(self, mac: Array, columns: range | None = None) -> Deck:
        """Held MAC voltages of all columns (bit lines,) [V], ramp column, comparators and counters of `columns`, or of
        all."""
        assert self.chip is not None
        adc, chip = self.config.adc, self.chip.adc
        times = timeline(adc, len(chip.bias))
        held, comparators = [], []
        columns = range(self.config.bit_lines) if columns is None else columns
        for number, column in enumerate(columns):
            # The reset of a held integrator stays off: its own node, tied low.
            held.append(
                integrator_line(f"h{number}", f"hb{number}", f"m{number}", adc, v0=mac[column]).replace(" rst ", " 0 ")
            )
            comparators += comparator_lines(number, f"m{number}", chip.names, chip.mismatch[column], adc)
        ramp = column_lines(adc, chip.ramp, chip.bias, chip.bias_sign, self.law, chip.pulse)
        title = f"tile {self.inputs} x {self.outputs}: ramp, comparators and counters"
        if len(columns) < self.config.bit_lines:
            title += f" of columns {columns.start} to {columns.stop - 1}"
        return conversion_deck(title, adc, ramp, times, held, comparators, len(columns))

    def _mac(self, result: Result) -> Array:
        return np.array([result[f"v(o{column})"][-1] for column in range(self.config.bit_lines)])

    def _codes(self, results: Iterator[Result]) -> NDArray[np.int64]:
        """Codes (bit lines,) of one vector from the results of its `ramp_decks`, which are taken from `results`."""
        codes = np.empty(self.config.bit_lines, dtype=np.int64)
        for columns in self._groups():
            result = self._good(next(results))
            reference = float(result["v(nref)"][-1])
            for number, column in enumerate(columns):
                count = float(result[f"v(n{number})"][-1])
                counted, distance = rounded_code(count, reference, self.config.adc.thresholds)
                codes[column] = self.config.adc.staircase.start + counted
                self.counts.undecided += distance > LARGEST_COUNT_ERROR
        self.counts.conversions += self.config.bit_lines
        return codes

    def _good(self, result: Result) -> Result:
        self.counts.decks += 1
        self.deck_keys.append(result.key)
        if result.failure is not None:
            raise CosimError(
                f"ngspice failed ({result.failure.kind}): {result.failure.line}", file=result.deck_file, key="tile"
            )
        return result


def _measure(tiles: Sequence[SpiceTile], inputs: NDArray[np.floating]) -> tuple[Array, NDArray[np.int64]]:
    """MAC results in units of the network, and codes, of programmed tiles of one size: (tiles, batch, bit lines)."""
    config, pool = tiles[0].config, tiles[0].pool
    codes = dac_codes(check_inputs(inputs, config), config.dac_bits)
    results = iter(pool.run([tile.array_deck(row) for tile in tiles for row in codes]))
    macs = np.array([[tile._mac(tile._good(next(results))) for _ in codes] for tile in tiles])
    decks = [deck for tile, rows in zip(tiles, macs, strict=True) for mac in rows for deck in tile.ramp_decks(mac)]
    results = iter(pool.run(decks))
    adc_codes = np.array([[tile._codes(results) for _ in codes] for tile in tiles])
    units = np.array([design_column(tile.config.adc).gain(tile.config.adc.v_read) for tile in tiles])
    return (macs - config.adc.v_clp) / units[:, None, None], adc_codes
