"""A weight matrix of any size on tiles: y = x W in the units of the network, by parts that are added digitally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from cosim.errors import CosimError
from cosim.spice import SimulatorPool
from cosim.tiles.calibration import calibrated, clipping
from cosim.tiles.compensation import headroom_for
from cosim.tiles.config import TileConfig
from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.grid import Grid
from cosim.tiles.grid_parts import GridPart, Packable, programmed_state, reason_against
from cosim.tiles.hardware import FidelityChoice, Hardware, chosen_fidelities
from cosim.tiles.mapping import Block, Layout, MappingConfig, MatrixUse, Part, layout_of, matrix_use
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantised import IdealTile
from cosim.tiles.scaling import SCALABLE, Clipping, Scales, ScalingConfig, checked_weights
from cosim.tiles.spice import SpiceTile
from cosim.tiles.trimming import gain_and_offset, has_room

Array = NDArray[np.float64]

Begun = tuple[dict[str, Array], dict[str, Conversation], SimulatorPool | None]
"""By the names of parts: what tiles gave, and the conversations of those in ngspice; their workers."""


class TiledMatrix:
    """A matrix on tiles.

    Parameters
    ----------
    weights: (inputs, outputs), in units of the network.
    hardware: what the tiles are made of; `hardware.tile` has the size of the largest tile.
    scales: full scales of inputs, weights and outputs; `calibrated` chooses them.
    mapping: how the matrix lies on tiles.
    function: that the converters make. "linear": results are the sum of the parts. Any other is the activation
        straight from the converter, so all rows must lie on one tile, without digits.
    fidelity: of all parts, or name of a part -> fidelity, with "*" for those that are not named.
    name: of the matrix, for messages and reports.

    Raises CosimError for weights that are not finite or beyond the window that `scales` states, for an activation
    whose rows do not fit one tile, and for parts or fidelities that are not there.
    """

    def __init__(
        self, weights: ArrayLike, hardware: Hardware, *, scales: Scales, mapping: MappingConfig | None = None,
        function: str = "linear", fidelity: FidelityChoice = Fidelity.BEHAVIOURAL, name: str = "matrix",
    ) -> None:  # fmt: skip
        self.weights = checked_weights(weights, name=name)
        self.inputs, self.outputs = self.weights.shape
        hardware = hardware.of_matrix(name)
        self.hardware, self.scales, self.function, self.name = hardware, scales, function, name
        self.mapping = mapping or MappingConfig()
        self.layout = matrix_layout(self.inputs, self.outputs, hardware, self.mapping, function, name)
        chosen = chosen_fidelities(fidelity, [block.name for block in self.layout])
        shares = self._shares()
        ranges = scales.ranges(self.layout)
        self._as_made = [self._part(block, shares, ranges, chosen[block.name]) for block in self.layout]
        self.parts = list(self._as_made)
        self.offset = np.zeros(self.outputs)
        self._grid: Grid | None = None
        self._held: list[object] = []

    @classmethod
    def calibrated(
        cls, weights: ArrayLike, hardware: Hardware, samples: ArrayLike | None = None, *,
        scaling: ScalingConfig | None = None, mapping: MappingConfig | None = None, function: str = "linear",
        fidelity: FidelityChoice = Fidelity.BEHAVIOURAL, name: str = "matrix",
    ) -> TiledMatrix:  # fmt: skip
        """The same with full scales chosen from samples of its inputs, (vectors, inputs)."""
        mapping = mapping or MappingConfig()
        checked = checked_weights(weights, name=name)
        inputs, outputs = checked.shape
        layout = matrix_layout(inputs, outputs, hardware, mapping, function, name)
        scales = calibrated(checked, layout, scaling or ScalingConfig(), samples, function, name)
        return cls(checked, hardware, scales=scales, mapping=mapping, function=function, fidelity=fidelity, name=name)

    def _shares(self) -> Array:
        """Weights in units of s_w."""
        s_w = np.repeat(self.scales.weight_scales(self.layout), np.diff(self.layout.row_blocks), axis=0)
        shares = self.weights / s_w
        beyond = np.abs(shares) > 1 + 1e-6
        if beyond.any():
            place = np.unravel_index(np.abs(shares).argmax(), shares.shape)
            raise CosimError(
                f"{np.count_nonzero(beyond)} weights of {self.name} do not fit the conductance window", key="s_w",
                value=float(self.weights[place]), allowed=f"at most {s_w[place]:g} in magnitude (s_w)",
            )  # fmt: skip
        return np.asarray(np.clip(shares, -1.0, 1.0))

    def _part(self, block: Block, shares: Array, ranges: Array, fidelity: Fidelity) -> Part:
        own = shares[block.rows, block.columns]
        sign = 1.0
        if self.layout.tile.signs == "unipolar":
            sign = self._sign(own, block)
            own = own * sign
        a = float(ranges[block.row, block.column, block.digit])
        held = self.layout.digit(own, block.digit) / a
        s_w = self.scales.weight_scales(self.layout)[block.row, block.columns]
        config = self._config(held.shape[0], held.shape[1], 1.0 / a)
        # Quantised tiles compensate nothing, but a smaller window has a larger pedestal.
        if config.compensated:  # at every fidelity: pulses, costs and pedestals are those of the circuit
            share = self.mapping.headroom or headroom_for(held, config)
            config = config.model_copy(update={"headroom": share})
        scale = sign * a * self.scales.s_x * s_w * block.place
        if self.function not in SCALABLE and np.abs(scale - 1.0).max() > 1e-9:
            raise CosimError(
                f"the {self.function} of {self.name} comes from the converter in its own unit; s_y must be 1",
                key="s_y", value=float(scale[np.abs(scale - 1.0).argmax()]), allowed="a = 1 / (s_x s_w)",
            )  # fmt: skip
        return Part(block, self.hardware.tile_of(config, fidelity), config, held, scale)

    def _config(self, inputs: int, outputs: int, w_max: float) -> TileConfig:
        tile = self.layout.tile
        room = (tile.inputs, tile.outputs) if self.mapping.padding else (None, None)
        return self.hardware.config(
            self.function, inputs=inputs, outputs=outputs, w_max=w_max, weight_bits=tile.weight_bits,
            signs=tile.signs, array_inputs=room[0], array_outputs=room[1],
        )  # fmt: skip

    def _sign(self, own: Array, block: Block) -> float:
        """Of unipolar weights: 1, or -1 where none is above zero."""
        if (own >= 0.0).all():
            return 1.0
        if (own <= 0.0).all():
            return -1.0
        raise CosimError(
            f"part {block.name} of {self.name} has weights of both signs", key="signs", value="unipolar",
            allowed="differential or offset, or a matrix whose parts have one sign each",
        )  # fmt: skip

    def program(self, rng: np.random.Generator) -> None:
        """Write a chip: each part draws from a stream of its own, told by its place alone.

        So a part's chip depends neither on its fidelity nor on how many other parts there are. What `trim` found for
        another chip is forgotten.
        """
        self.parts, self.offset = list(self._as_made), np.zeros(self.outputs)
        rows, columns, digits = self.layout.shape
        streams = {
            (row, column, digit): stream
            for row, of_row in enumerate(rng.spawn(rows))
            for column, of_column in enumerate(of_row.spawn(columns))
            for digit, stream in enumerate(of_column.spawn(digits))
        }
        for part in self.parts:
            block = part.block
            part.tile.program(part.weights, streams[block.row, block.column, block.digit])

    def trim(self, samples: ArrayLike, rng: np.random.Generator) -> None:
        """Give each column of each part the digital gain and offset that fit its own chip best.

        The chip is read at `samples` of the inputs (vectors, inputs), in units of the network, and each column's
        results are compared with the product that it should make. Gains go into `Part.scale`, all offsets of an output
        into `offset`; both cost nothing at inference but one addition an output.

        Raises CosimError as `forward` does, for fewer than two vectors, and for an activation straight from the
        converter, whose results cannot be scaled.
        """
        if self.function != "linear":
            raise CosimError(
                f"the {self.function} of {self.name} comes straight from the converter and cannot be trimmed",
                key="function", value=self.function, allowed="linear",
            )  # fmt: skip
        values = self._checked(np.asarray(samples, dtype=np.float64))
        if len(values) < 2:
            raise CosimError(f"trimming {self.name} needs vectors that differ", key="samples", value=len(values),
                             allowed="at least 2 vectors")  # fmt: skip
        scaled = values / self.scales.s_x
        results = self._results(scaled, rng)
        self.offset = np.zeros(self.outputs)
        for number, part in enumerate(self._as_made):
            if isinstance(part.tile, IdealTile):  # whose inputs do not saturate: it is what it should be
                continue
            x = np.clip(scaled[:, part.rows], -1.0, 1.0)
            wanted = x @ part.weights
            gain, offset = gain_and_offset(wanted, results[part.name], has_room(wanted, x, part.config))
            self.parts[number] = replace(part, scale=part.scale * gain)
            self.offset[part.columns] += part.scale * offset

    def forward(self, x: NDArray[Any], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Results (batch, outputs) of inputs x (batch, inputs), both in units of the network.

        Inputs in float32 go through the parts' `grid` where there is one, others through `by_parts`. Raises CosimError
        for inputs of another shape and for values that are not finite, and where `program` was not called.
        """
        if getattr(x, "dtype", None) == np.float32 and np.dtype(dtype) == np.float32 and self.grid is not None:
            self._check_shape(x.shape)
            try:
                return self.grid.forward(x, rng)
            except CosimError as error:
                raise CosimError(f"{self.name}: {error.message}", key=error.key) from error
        return self.by_parts(x, rng, dtype)

    @property
    def grid(self) -> Grid | None:
        """All parts in compiled code; None where a part needs its own (`tiles.grid.reason_against`).

        Without noise the results are those of `by_parts` to rounding in float32: 1e-6 of a MAC result, which changes
        one code in 10^5, and 1e-6 of the sum. With noise they are of the same distribution.
        """
        held = [self.offset, *self.parts, *(programmed_state(part.tile) for part in self.parts)]
        if len(held) != len(self._held) or any(now is not then for now, then in zip(held, self._held, strict=True)):
            self._held, self._grid = held, None
            if reason_against([part.tile for part in self.parts]) is None:
                self._grid = Grid(
                    self.grid_parts(), self.outputs, scale=self.scales.s_x, constant=self.offset,
                    threads=self.hardware.threads,
                )  # fmt: skip
        return self._grid

    def grid_parts(self) -> list[GridPart]:
        """The parts as a `Grid` takes them, those that it can take; their inputs in units of s_x."""
        return [
            GridPart(part.tile, np.arange(self.inputs)[part.rows], part.columns.start, part.scale)
            for part in self.parts
            if isinstance(part.tile, Packable)
        ]

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != self.inputs:
            raise CosimError(f"inputs of shape {shape} do not fit {self.name}", allowed=f"(batch, {self.inputs})")

    def by_parts(self, x: NDArray[Any], rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The same by the tiles themselves, one after another.

        What varies from read to read is drawn from `rng`, a stream for each part. Partial sums are added in float64, in
        the order of the parts. Parts in ngspice share one run of the workers.
        """
        return self.summed(self._results(self._checked(x) / self.scales.s_x, rng), dtype)

    def summed(self, results: Mapping[str, Array], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The sum of what each part's tile gave, (batch, columns) by its name, in units of the network."""
        total = np.tile(self.offset, (len(results[self.parts[0].name]), 1))
        for part in self.parts:
            total[:, part.columns] += part.scale * results[part.name]
        return total.astype(dtype, copy=False)

    def _checked(self, x: NDArray[Any]) -> NDArray[Any]:
        kind = np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64
        values: NDArray[Any] = np.asarray(x, dtype=kind)
        self._check_shape(values.shape)
        if not np.isfinite(values).all():
            raise CosimError(f"inputs of {self.name} must be finite numbers", key="inputs")
        return values

    def _results(self, scaled: NDArray[Any], rng: np.random.Generator) -> dict[str, Array]:
        """What each part's tile gives for inputs in units of s_x, (batch, columns)."""
        results, talks, pool = self._begun(scaled, rng)
        return results if pool is None else results | hold(talks, pool)

    def begun(self, x: NDArray[Any], rng: np.random.Generator) -> Begun:
        """As `by_parts`, but the conversations with ngspice are not yet held; see `tiles.together`."""
        return self._begun(self._checked(x) / self.scales.s_x, rng)

    def _begun(self, scaled: NDArray[Any], rng: np.random.Generator) -> Begun:
        talks: dict[str, Conversation] = {}
        results: dict[str, Array] = {}
        pool = None
        for part, stream in zip(self.parts, rng.spawn(len(self.parts)), strict=True):
            own = scaled[:, part.rows]
            if isinstance(part.tile, SpiceTile):
                talks[part.name], pool = part.tile.converse(own), pool or part.tile.pool
            else:
                results[part.name] = part.tile.forward(own, stream)
        return results, talks, pool

    def clipping(self, samples: ArrayLike) -> Clipping:
        """What saturates of samples of the inputs (vectors, inputs)."""
        return clipping(self.weights, self.layout, self.scales, samples, self.function)

    def use(self, vectors: int = 1) -> MatrixUse:
        """What the matrix takes of the hardware, at so many input vectors an inference; offsets of `trim` count."""
        return matrix_use(
            self.name, self.layout, self.parts, self.function, vectors, int(np.count_nonzero(self.offset))
        )


def activations_fit(hardware: Hardware, mapping: MappingConfig) -> bool:
    """Whether an activation may come straight from converters: not from digits, nor beside a correction column."""
    return mapping.slice_bits is None and (mapping.signs or hardware.tile.signs) == "differential"


def matrix_layout(
    inputs: int, outputs: int, hardware: Hardware, mapping: MappingConfig, function: str = "linear",
    name: str = "matrix",
) -> Layout:  # fmt: skip
    """How a matrix (inputs, outputs) is cut for this hardware; CosimError where its activation needs one tile."""
    tile = hardware.tile
    if function != "linear" and inputs > tile.inputs:
        raise CosimError(
            f"{function} straight from the converter needs all {inputs} rows of {name} on one tile of {tile.inputs}",
            key="inputs", value=inputs,
            allowed=f"at most {tile.inputs} rows; else tiles with more inputs, or the function linear with the"
            " activation taken digitally or in a second conversion",
        )  # fmt: skip
    if function != "linear" and mapping.slice_bits is not None:
        raise CosimError(
            f"{function} straight from the converter cannot be added up from digits", key="slice_bits",
            value=mapping.slice_bits, allowed="no slice_bits, or the function linear",
        )  # fmt: skip
    signs = mapping.signs or tile.signs
    if function != "linear" and signs != "differential":
        raise CosimError(
            f"{function} straight from the converter leaves nothing to subtract a correction column from",
            key="signs", value=signs, allowed="differential, or the function linear",
        )  # fmt: skip
    return layout_of(inputs, outputs, tile, mapping)
