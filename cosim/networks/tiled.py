"""A network on tiles: its matrices cut, scaled and programmed, its data through them at any fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.choices import chosen
from cosim.networks.evaluation import Matrix
from cosim.networks.graph import Graph
from cosim.networks.layers.protocol import Activations, MatrixWeights, Plan
from cosim.networks.network import BATCH, Network
from cosim.networks.sampling import Reservoir
from cosim.networks.use import NetworkUse
from cosim.tiles.calibration import calibrated, calibrated_together
from cosim.tiles.hardware import REST, FidelityChoice, Hardware, checked_fidelity
from cosim.tiles.mapping import Layout, MappingConfig
from cosim.tiles.matrix import TiledMatrix, activations_fit, matrix_layout
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import full_scale
from cosim.tiles.scaling import SCALABLE, Clipping, Scales, ScalingConfig, checked_weights, largest

VECTORS = 1024  # of each matrix, that its scales are chosen from


class TiledNetwork(Network):
    """A graph on tiles.

    Before its first inference it is calibrated (full scales), unless all of it is ideal or has full scales that
    `scaling` states, and programmed (a chip).

    Parameters
    ----------
    graph: what is computed.
    hardware: what the tiles are made of; `hardware.tile` has the size of the largest tile.
    mapping: how matrices lie on tiles.
    scaling: how full scales are chosen, or a mapping of names of layers or matrices to how; those with the same one in
        the mode "network" share their scales.
    fidelity: of all tiles, or a mapping of names of layers, matrices ("lstm.l0.i") or parts ("lstm.l0.i.r0c1").
        In such mappings the longest name that fits counts, and "*" is the rest.
    activations: where the gates of LSTM and GRU come from, see `layers.protocol.Plan`.

    Raises CosimError for layers that cannot be laid out so, and for unknown names and fidelities.
    """

    def __init__(
        self,
        graph: Graph,
        hardware: Hardware,
        mapping: MappingConfig | None = None,
        scaling: ScalingConfig | Mapping[str, ScalingConfig] | None = None,
        fidelity: FidelityChoice = Fidelity.BEHAVIOURAL,
        activations: Activations = "auto",
    ) -> None:
        self.hardware, self.mapping = hardware, mapping or MappingConfig()
        if not isinstance(self.mapping, MappingConfig):
            raise CosimError("not a mapping", key="mapping", value=mapping, allowed="MappingConfig")
        if activations == "auto" and not activations_fit(hardware, self.mapping):
            activations = "digital"
        super().__init__(graph, Plan(hardware.tile.inputs, hardware.tile.outputs, activations))
        self.scaling = chosen("scaling", scaling or ScalingConfig(), self.matrix_names, self.layers)
        for each in self.scaling.values():
            if not isinstance(each, ScalingConfig):
                raise CosimError("not a scaling", key="scaling", value=each, allowed="ScalingConfig")
        self.layouts: dict[str, Layout] = {
            name: matrix_layout(
                each.weights.shape[0], each.weights.shape[1], hardware, self._mapping_of(each), each.function, name
            )
            for name, each in self.weights.items()
        }
        for name, each in self.weights.items():
            checked_weights(each.weights, name=name)
        self.fidelity = self._fidelities(fidelity)
        self.scales: dict[str, Scales] = {}
        self.clipping: dict[str, Clipping] = {}
        self.programmed = False
        self._tiled: dict[str, TiledMatrix] = {}
        self._samples: dict[str, NDArray[np.float32]] = {}

    @property
    def weights(self) -> dict[str, MatrixWeights]:
        """Matrix -> its weights, as the tiles are to hold them."""
        return {name: each for layer in self.layers.values() for name, each in layer.matrices.items()}

    @property
    def matrices(self) -> Mapping[str, TiledMatrix]:
        """Matrix -> on its tiles; CosimError before calibration where that is needed."""
        if not self._tiled:
            errors = self.hardware.model_error
            self._check_names([name for name in errors if name != REST] if isinstance(errors, Mapping) else [])
            scales = self.scales or self._stated()
            self._tiled = {
                name: TiledMatrix(
                    each.weights,
                    self.hardware,
                    scales=scales[name],
                    mapping=self._mapping_of(each),
                    function=each.function,
                    fidelity=self.fidelity[name],
                    name=name,
                )
                for name, each in self.weights.items()
            }
        return self._tiled

    def calibrate(
        self,
        data: Any,
        *,
        vectors: int = VECTORS,
        seed: int = 0,
        batch: int | None = BATCH,
        label: str | None = None,
    ) -> dict[str, Clipping]:
        """Choose the full scales of all matrices from what goes into them in real arithmetic; what saturates then.

        Gates have inputs of several kinds, x, h and the bias; each kind has a range of its own, unless `scaling` states
        s_x or wants one for the whole network. Chips must be programmed anew.

        Parameters
        ----------
        data: as of `forward`, of the training part.
        vectors: drawn of each matrix's inputs, by `seed`.

        Raises CosimError for weights beyond a stated window.
        """
        self.layers = self._laid_out()  # anew: variants keep the ranges of theirs
        self._floats, self._tiled, self.scales, self.programmed = {}, {}, {}, False
        reservoir = Reservoir(self.matrix_names, vectors, seed)
        self._forward(self.floats, data, None, batch=batch, label=label, observer=reservoir, keep=False)
        if not self.counted:
            raise CosimError("full scales cannot be chosen from no examples", key="data")
        samples = reservoir.samples()
        self._set_ranges(samples)
        weights = self.weights
        scaling = {
            name: self._within_thresholds(each, self.scaling[name], samples[name]) if each.alone else self.scaling[name]
            for name, each in weights.items()
        }
        for one in {id(each): each for each in scaling.values()}.values():
            names = [name for name in weights if scaling[name] is one]
            self.scales |= calibrated_together(
                {name: (weights[name].weights, self.layouts[name], samples[name]) for name in names},
                one,
                {name: weights[name].function for name in names},
            )
        self._floats, self._samples = {}, samples
        self.clipping = {name: each.clipping(samples[name]) for name, each in self.matrices.items()}
        return self.clipping

    def program(self, rng: np.random.Generator) -> None:
        """Write a chip: each matrix draws from a stream of its own, told by its place, whatever the fidelities."""
        matrices = self.matrices
        for each, stream in zip(matrices.values(), rng.spawn(len(matrices)), strict=True):
            each.program(stream)
        self.programmed = True

    def trim(self, rng: np.random.Generator, *, vectors: int = 256) -> None:
        """Read the chip at vectors of the calibration and give each column its digital gain and offset: all matrices
        whose converters are linear, see `TiledMatrix.trim`. Programming anew forgets them.

        Raises CosimError before calibration and programming.
        """
        if not self.programmed or not self._samples:
            raise CosimError("only a network that is calibrated and programmed can be trimmed")
        matrices = self.matrices
        for (name, each), stream in zip(matrices.items(), rng.spawn(len(matrices)), strict=True):
            if each.function == "linear":
                each.trim(self._samples[name][:vectors], stream)

    def variant(self, *, hardware: Hardware | None = None, fidelity: FidelityChoice | None = None) -> TiledNetwork:
        """The same network with the same full scales at another fidelity, or on tiles with other non-idealities, models
        or workers; not yet programmed. CosimError where the tiles are of another size or circuit."""
        hardware = hardware or self.hardware
        if hardware.tile != self.hardware.tile:
            raise CosimError("other tiles need a network of their own, calibrated for them", key="hardware.tile")
        made = object.__new__(TiledNetwork)
        made.__dict__.update(self.__dict__)
        made.hardware, made._tiled, made.programmed = hardware, {}, False
        made.fidelity = self.fidelity if fidelity is None else self._fidelities(fidelity)
        made._reset()
        return made

    def use(self) -> NetworkUse:
        """What an example of the last pass took; CosimError before any."""
        if not self.counted:
            raise CosimError("no example has gone through the network yet; forward or calibrate it first")
        return NetworkUse(
            {name: each.use(-(-self.vectors.get(name, 0) // self.counted)) for name, each in self.matrices.items()},
            {key: number / self.counted for key, number in self.digital.items()},
        )

    def _run(self, matrices: Mapping[str, Matrix], *arguments: Any, **named: Any) -> Any:
        if self.layouts and matrices is not self.floats and not self.programmed:
            raise CosimError("the network is not programmed; call its program(rng) first")
        return super()._run(matrices, *arguments, **named)

    def _generator(self, matrices: Mapping[str, Matrix], rng: np.random.Generator | None) -> np.random.Generator:
        """What noise is drawn from; CosimError where there is noise and nothing to draw it from."""
        behavioural = any(each is Fidelity.BEHAVIOURAL for parts in self.fidelity.values() for each in parts.values())
        if rng is None and matrices is not self.floats and behavioural and self.hardware.noisy:
            raise CosimError("noise needs something to be drawn from", key="rng", allowed="a numpy.random.Generator")
        return super()._generator(matrices, rng)

    def _mapping_of(self, weights: MatrixWeights) -> MappingConfig:
        """Cells of a second conversion hold a weight of 1 each, straight before an activation: plain pairs."""
        if not weights.alone:
            return self.mapping
        return self.mapping.model_copy(update={"signs": "differential", "slice_bits": None})

    def _layer_of(self, matrix: str) -> Any:
        return next(layer for layer in self.layers.values() if matrix in layer.matrices)

    def _set_ranges(self, samples: dict[str, NDArray[np.float32]]) -> None:
        """Ranges of the kinds of inputs of gates; the samples become those of the matrices with these.

        All gates of a set of cells have the same inputs, so the samples of the first are those of all: s_x is then the
        same too; and where one of them has a stated s_x, all are left as they are.
        """
        shared: dict[str, NDArray[np.float32]] = {}
        left = {
            name.rpartition(".")[0]
            for name, scaling in self.scaling.items()
            if scaling.s_x is not None or scaling.mode == "network"
        }
        for name, each in self.weights.items():
            scaling, cells = self.scaling[name], name.rpartition(".")[0]
            if not each.groups or cells in left:
                continue
            if cells not in shared:
                parts = np.split(samples[name], np.cumsum(list(each.groups.values()))[:-1], axis=1)
                ranges = {
                    group: float(np.percentile(np.abs(part), scaling.input_percentile)) or 1.0
                    for group, part in zip(each.groups, parts, strict=True)
                }
                self._layer_of(name).set_ranges(name, ranges)
                factors = np.repeat([ranges[group] for group in each.groups], list(each.groups.values()))
                shared[cells] = (samples[name] / factors).astype(np.float32)
            samples[name] = shared[cells]

    def _within_thresholds(
        self, weights: MatrixWeights, scaling: ScalingConfig, samples: NDArray[np.float32]
    ) -> ScalingConfig:
        """Full scale of the inputs that are converted one by one: half a step of the DAC beyond the outer thresholds of
        the converter, where the data reaches so far."""
        if scaling.s_x is not None:
            return scaling
        tile = self.hardware.config(weights.function, signs="differential")
        outer = float(np.abs(tile.adc.staircase.thresholds).max()) * (1 + 0.5 / full_scale(tile.dac_bits))
        reached = float(np.percentile(np.abs(samples), scaling.input_percentile)) or outer
        return scaling.model_copy(update={"s_x": min(reached, outer)})

    def _stated(self) -> dict[str, Scales]:
        """Full scales without calibration data: those that `scaling` states; of ideal tiles any will do."""
        return {name: self._stated_of(name, each) for name, each in self.weights.items()}

    def _stated_of(self, name: str, matrix: MatrixWeights) -> Scales:
        scaling, makes_sums = self.scaling[name], matrix.function in SCALABLE
        shared = scaling.mode == "network" and scaling.s_w is None
        if scaling.s_x is not None and not shared and (scaling.s_y is not None or not makes_sums):
            return calibrated(matrix.weights, self.layouts[name], scaling, None, matrix.function, name)
        if all(each is Fidelity.IDEAL for each in self.fidelity[name].values()):
            return Scales(1.0, largest(matrix.weights), 1.0) if makes_sums else Scales.of_activation(matrix.weights)
        raise CosimError("the network has no full scales yet; call its calibrate(data) first", key=name)

    def _fidelities(self, fidelity: FidelityChoice) -> dict[str, dict[str, Fidelity]]:
        """Matrix -> part -> fidelity."""
        parts = [(name, block.name) for name, layout in self.layouts.items() for block in layout]
        of_parts = chosen("fidelity", fidelity, [f"{name}.{part}" for name, part in parts], self.layers)
        found: dict[str, dict[str, Fidelity]] = {}
        for name, part in parts:
            found.setdefault(name, {})[part] = checked_fidelity(of_parts[f"{name}.{part}"])
        return found
