"""Parts of a grid: which tiles can be one, and their numbers end to end as the kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.conversion import Converter
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.grid_kernel import FIELDS, Packed
from cosim.tiles.products import PANEL, aligned, packed
from cosim.tiles.protocol import Tile
from cosim.tiles.quantised import QuantisedTile

Packable = BehaviouralTile | QuantisedTile


@dataclass(frozen=True)
class GridPart:
    """A programmed tile in its place.

    Attributes
    ----------
    tile: behavioural or quantised.
    inputs: number of each of its inputs among a row's, shape (inputs of the tile,).
    outputs: the first of the results that it adds to.
    scales: s_j, of shape (outputs of the tile,), or one number.
    """

    tile: Packable
    inputs: NDArray[np.integer[Any]]
    outputs: int
    scales: NDArray[np.floating[Any]] | float = 1.0


def reason_against(tiles: Sequence[Tile]) -> str | None:
    """Why tiles cannot make a grid; None where they can."""
    kinds = set()
    for tile in tiles:
        reason = _reason_against(tile)
        if reason is not None:
            return reason
        if isinstance(tile, Packable):
            kinds.add((type(tile), tile.config.dac_bits, dac_levels(tile) is not None))
    return None if len(kinds) == 1 else "they are of different fidelities, or have different DACs"


def _reason_against(tile: Tile) -> str | None:
    if not isinstance(tile, Packable):
        return "its fidelity has no kernel"
    if programmed_state(tile) is None:
        return "it is not programmed"
    if isinstance(tile, BehaviouralTile):
        if tile._exact:
            return "its MAC results lie on thresholds"
        if tile.array.overlap is not None or tile.array.odd_powers is not None:
            return "its cells are not linear"
    elif tile._weights is not None and (tile._weights % 1.0).any():
        return "its MAC results, no whole numbers, lie on thresholds"
    converter = _converter(tile)
    return "its function also falls" if converter._codes.size or converter.largest > 255 else None


def _converter(tile: Packable) -> Converter:
    return tile._converter if isinstance(tile, QuantisedTile) else tile.converter


def programmed_state(tile: Tile) -> object:
    """What is another object when a tile has been programmed again."""
    return tile._weights if isinstance(tile, QuantisedTile) else getattr(tile, "chip", None)


def dac_levels(tile: Packable) -> NDArray[Any] | None:
    """What the DACs of a tile make of each code; None where they are ideal."""
    return None if isinstance(tile, QuantisedTile) else tile._levels


def output_range(tile: Packable) -> tuple[float, float]:
    """Low end and step of the activations that codes stand for."""
    function = tile.config.adc.activation if isinstance(tile, QuantisedTile) else tile.model.function
    return function.low, (function.high - function.low) / 2**tile.config.adc.bits


def pack(parts: Sequence[GridPart]) -> Packed:
    """The parts, which `reason_against` has nothing against."""
    table = np.zeros((len(parts), FIELDS), dtype=np.int64)
    limits = np.zeros((len(parts), 2), dtype=np.float32)
    flat: dict[str, list[NDArray[Any]]] = {name: [] for name in Packed._fields[2:]}
    size = dict.fromkeys(flat, 0)

    def add(name: str, values: NDArray[Any]) -> int:
        """Where it begins."""
        begin = size[name]
        flat[name].append(values)
        size[name] += len(values)
        return begin

    for number, part in enumerate(parts):
        tile = part.tile
        if isinstance(tile, QuantisedTile):
            matrix, squares, converter = np.asarray(tile._weights), None, tile._converter
            reads = noisy = False
            limits[number], passed_on = (-np.inf, np.inf), 0
        else:
            matrix, converter, on = tile._single_array.matrix, tile.converter, tile.nonidealities
            reads, noisy = on.read_noise, tile.noisy
            squares = tile._single[0] if reads else None
            limits[number] = tile.array.limits
            passed_on = add("passed_on", tile._single_array.passed_on.reshape(-1))
        inputs, lines = matrix.shape
        coarse, fine, depth, steps = converter._tables[np.dtype(np.float32)]
        weights = add("weights", packed(matrix))
        if squares is not None:
            # Where weights begin, squares do: parts without noise among others with it have zeros.
            _fill(flat["squares"], size, weights)
            add("squares", packed(squares))
        levels = dac_levels(tile)
        scales = np.broadcast_to(np.float64(part.scales), (tile.outputs,)) * output_range(tile)[1]
        own = converter._own_squares if reads else converter._own
        table[number] = (
            add("offsets", np.asarray(part.inputs, dtype=np.int64)), inputs, lines, part.outputs, weights,
            add("own", own), converter.lanes, add("coarse", coarse), coarse.size, add("fine", fine), fine.size, depth,
            steps, converter.rows, -1 if levels is None else add("tables", np.asarray(levels, dtype=np.float32)),
            add("scales", scales.astype(np.float32)), passed_on, reads, noisy, lines - tile.outputs,
        )  # fmt: skip
        flat["ramp"].append(converter._ramp)
    return Packed(table, limits, **{name: _joined(name, flat[name]) for name in flat})


def _fill(squares: list[NDArray[Any]], size: dict[str, int], begin: int) -> None:
    if size["squares"] < begin:
        squares.append(np.zeros(begin - size["squares"], dtype=np.float32))
        size["squares"] = begin


def _joined(name: str, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if name == "ramp":
        return np.ascontiguousarray(np.stack(arrays))
    if name == "tables":
        # The kernel looks a panel up at a time: rows behind the last one.
        behind = [np.zeros((PANEL, arrays[0].shape[1]), dtype=np.float32)] if arrays else []
        return np.concatenate(arrays + behind) if arrays else np.zeros((0, 1), dtype=np.float32)
    kind = np.int64 if name == "offsets" else np.float32
    return aligned(np.asarray(np.concatenate(arrays) if arrays else np.zeros(0), dtype=kind))
