"""SPICE in the loop: whole images through ngspice, and the behavioural model at the same inputs on the same chip."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.functions import get_function
from cosim.networks.digits import digits_network
from cosim.networks.sampling import Recorder
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import GATE_FUNCTIONS, GATES, LstmWeights
from cosim.progress import progress
from cosim.seeds import stream
from cosim.studies.same_chip import program_alike
from cosim.studies.statistics import wilson_interval
from cosim.tiles.agreement import Agreement, agreement
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import encode
from cosim.tiles.spice import SpiceTile

CHIP = "cosimulation: chip"  # what it is drawn for

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Cosimulation:
    """What ngspice and the behavioural model made of the same conversions.

    Attributes
    ----------
    spice, model: ADC codes, shape (steps, gates, images, outputs).
    spice_classes, model_classes: final class of each image. The model's run is its own: its codes feed its own next
        step, while `model` above is evaluated at the inputs that the ngspice run had.
    inputs: what every tile was given, shape (steps, images, inputs), in units of the network.
    decks: keys of all simulated decks.
    undecided: counters that were cut short by an undecided comparator.
    seconds: wall time of the ngspice run.
    """

    spice: NDArray[np.int64]
    model: NDArray[np.int64]
    spice_classes: NDArray[np.int64]
    model_classes: NDArray[np.int64]
    inputs: NDArray[np.float64]
    decks: tuple[str, ...]
    undecided: int
    seconds: float

    @property
    def agreement(self) -> Agreement:
        return agreement(self.spice, self.model)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of equal codes (Wilson)."""
        return wilson_interval(int((self.spice == self.model).sum()), self.spice.size)

    def pairs(self) -> list[tuple[int, int, int]]:
        """(code in ngspice, code of the model, how often)."""
        counts = Counter(zip(self.spice.ravel().tolist(), self.model.ravel().tolist(), strict=True))
        return sorted((a, b, count) for (a, b), count in counts.items())


def loop_rng(seed: int) -> np.random.Generator:
    """The generator that the chip of the loop is drawn from."""
    return np.random.default_rng(stream(seed, CHIP))


def cosimulate(
    weights: LstmWeights,
    hardware: Hardware,
    sequences: NDArray[np.floating],
    *,
    seed: int,
    label: str | None = None,
) -> Cosimulation:
    """Run `sequences`, shape (images, steps, inputs), through a chip in ngspice, every gate of every step.

    What differs from read to read is left out on both sides: a transient simulation has no noise.
    """
    started = time.perf_counter()
    quiet = hardware.with_nonidealities(hardware.nonidealities.quiet())
    in_spice, in_model = (digits_network(weights, quiet, each) for each in (Fidelity.SPICE, Fidelity.BEHAVIOURAL))
    program_alike(in_spice, in_model, seed, CHIP)
    names = [f"lstm.l0.{gate}" for gate in GATES]
    spice_tiles = [_tile(in_spice, name, SpiceTile) for name in names]
    with progress(label, sequences.shape[1]) as bar:
        seen = Recorder(names, each=lambda: bar(1))
        spice_logits = in_spice.forward(sequences, batch=None, observer=seen)
    seconds = time.perf_counter() - started
    inputs = np.array(seen.vectors[names[0]], dtype=np.float64)
    unused, bits = np.random.default_rng(0), hardware.tile.adc.bits
    spice_codes, model_codes = [], []
    for name, gate in zip(names, GATES, strict=True):
        function, tile = get_function(GATE_FUNCTIONS[gate]), _tile(in_model, name, BehaviouralTile)
        spice_codes.append([encode(each, function.low, function.high, bits) for each in seen.results[name]])
        model_codes.append([tile.codes(each, unused).astype(np.int64) for each in inputs])
    return Cosimulation(
        spice=np.array(spice_codes).swapaxes(0, 1),
        model=np.array(model_codes).swapaxes(0, 1),
        spice_classes=np.argmax(spice_logits, axis=1),
        model_classes=np.argmax(in_model.forward(sequences, batch=None), axis=1),
        inputs=inputs,
        decks=tuple(key for tile in spice_tiles for key in tile.deck_keys),
        undecided=sum(tile.counts.undecided for tile in spice_tiles),
        seconds=seconds,
    )


def _tile(network: TiledNetwork, name: str, kind: type[Kind]) -> Kind:
    """The one tile of a gate."""
    (part,) = network.matrices[name].parts
    assert isinstance(part.tile, kind)
    return part.tile
