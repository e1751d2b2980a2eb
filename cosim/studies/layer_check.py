"""A layer's matrices at real activations, every part in ngspice and in the fitted models on the same chips.

The vectors of a matrix are dealt to the chips in turn, so a figure of so many vectors costs the same on one chip or on
several; what is a chip's or a bit line's own is then seen more often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.progress import progress
from cosim.seeds import stream
from cosim.spice import SimulatorPool
from cosim.studies.part_check import PartCheck, check_part
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import Part
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.protocol import Fidelity
from cosim.tiles.spice import SpiceTile


@dataclass(frozen=True)
class LayerCheck:
    """All parts of a layer on all chips.

    Attributes
    ----------
    layer: name of a layer, a matrix or a part.
    parts: one entry a part and chip.
    decks_run, decks_known: simulated, and found in the store of results.
    """

    layer: str
    parts: tuple[PartCheck, ...]
    decks_run: int
    decks_known: int

    @property
    def conversions(self) -> int:
        return sum(each.comparison.spice.size for each in self.parts)


def names_of_layer(layer: str, parts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Matrix -> parts that a name of a layer ("lstm"), a matrix ("lstm.l0.i") or a part ("lstm.l0.i.r0c0") stands for.

    `parts`: names of the parts of all matrices. Raises CosimError for a name that is none of these.
    """
    found: dict[str, list[str]] = {}
    known: dict[str, None] = {}
    for matrix, of_matrix in parts.items():
        for part in of_matrix:
            words = f"{matrix}.{part}".split(".")
            names = [".".join(words[:n]) for n in range(1, len(words) + 1)]
            known |= dict.fromkeys(names[:-1])
            if layer in names:
                found.setdefault(matrix, []).append(part)
    if not found:
        raise CosimError(
            f"there is no such layer, matrix or part.{did_you_mean(layer, known)}", key="layer", value=layer,
            allowed=list(known),
        )  # fmt: skip
    return found


def check_matrices(
    matrices: Mapping[str, TiledMatrix], inputs: Mapping[str, NDArray[np.floating]], pool: SimulatorPool, *,
    layer: str, parts: Mapping[str, Sequence[str]] | None = None, chips: int = 1, seed: int = 1,
    threshold_lines: int = 2, label: str | None = None,
) -> LayerCheck:  # fmt: skip
    """Compare all parts of matrices, or those that `parts` names of each, at inputs in units of the network.

    Parameters
    ----------
    inputs: matrix -> vectors (vectors, inputs), as many as chips or more.
    chips: that are drawn, each part's by `seed`, its names and the chip's number alone.
    threshold_lines: bit lines of each part and chip whose thresholds are searched in ngspice.
    label: of a progress bar.

    Raises CosimError when a simulation fails, and for fewer vectors than chips.
    """
    chosen = {name: _parts(each, parts and parts.get(name)) for name, each in matrices.items()}
    for name in chosen:
        check_dealt(len(inputs[name]), chips)
    before = (pool.decks_run, pool.decks_known)
    found = []
    with progress(label, sum(len(inputs[name]) * len(of_matrix) for name, of_matrix in chosen.items())) as bar:
        for name, of_matrix in chosen.items():
            matrix = matrices[name]
            scaled = np.asarray(inputs[name], dtype=np.float64) / matrix.scales.s_x
            for part in of_matrix:
                for chip in range(chips):
                    tile, model = both(matrix.hardware, part, pool, chip_rng(seed, name, part.name, chip))
                    found.append(
                        check_part(
                            tile,
                            model,
                            scaled[chip::chips, part.rows],
                            matrix=name,
                            part=part.name,
                            chip=chip,
                            threshold_lines=threshold_lines,
                            bar=bar,
                        )
                    )
    return LayerCheck(layer, tuple(found), pool.decks_run - before[0], pool.decks_known - before[1])


def check_dealt(vectors: int, chips: int) -> None:
    """CosimError where not every chip gets a vector."""
    if not 1 <= chips <= vectors:
        raise CosimError(
            f"{vectors} vectors of a matrix cannot be dealt to {chips} chips", key="chips", value=chips,
            allowed=f"1 to {vectors}",
        )  # fmt: skip


def chip_rng(seed: int, matrix: str, part: str, chip: int) -> np.random.Generator:
    """What the chip of a part is drawn from."""
    return np.random.default_rng(stream(seed, f"crosscheck: chip {chip} of {matrix}.{part}"))


def both(
    hardware: Hardware, part: Part, pool: SimulatorPool, rng: np.random.Generator
) -> tuple[SpiceTile, BehaviouralTile]:
    """A part in ngspice, programmed, and in the fitted models with the same chip, without what a transient has not and
    without a model-form error."""
    tile = SpiceTile(part.config, pool, wires=hardware.wires)
    tile.program(part.weights, rng)
    quiet = replace(hardware, nonidealities=hardware.nonidealities.quiet(), model_error=None)
    model = quiet.tile_of(part.config, Fidelity.BEHAVIOURAL)
    assert isinstance(model, BehaviouralTile) and tile.chip is not None
    model.load(tile.chip)
    return tile, model


def _parts(matrix: TiledMatrix, names: Iterable[str] | None) -> list[Part]:
    if names is None:
        return list(matrix.parts)
    by_name = {part.name: part for part in matrix.parts}
    return [by_name[name] for name in names]
