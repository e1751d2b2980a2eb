"""SPICE in the loop: whole images through ngspice, and the behavioural model at the same inputs on the same chip."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.functions import get_function
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmWeights, StepRecord, lstm_network
from cosim.progress import progress
from cosim.seeds import stream
from cosim.studies.statistics import wilson_interval
from cosim.tiles.agreement import Agreement, agreement
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import encode
from cosim.tiles.spice import SpiceTile


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
    return np.random.default_rng(stream(seed, "cosimulation: chip"))


def cosimulate(
    weights: LstmWeights,
    hardware: Hardware,
    sequences: NDArray[np.floating],
    *,
    seed: int,
    label: str | None = None,
) -> Cosimulation:
    """Run `sequences`, shape (images, steps, inputs), through a chip in ngspice, every gate of every step.

    Read noise is left out on both sides: a transient simulation has none.
    """
    for_chip = loop_rng(seed)
    unused = np.random.default_rng(0)
    started = time.perf_counter()
    in_spice = lstm_network(weights, hardware, Fidelity.SPICE)
    in_spice.program(for_chip)
    quiet = hardware.with_nonidealities(hardware.nonidealities.quiet())
    in_model = lstm_network(weights, quiet, Fidelity.BEHAVIOURAL)
    spice_tiles: dict[str, SpiceTile] = {}
    model_tiles: dict[str, BehaviouralTile] = {}
    for gate in GATES:
        simulated, modelled = in_spice.tiles[gate], in_model.tiles[gate]
        assert isinstance(simulated, SpiceTile) and isinstance(modelled, BehaviouralTile)
        assert simulated.chip is not None
        modelled.load(simulated.chip)
        spice_tiles[gate], model_tiles[gate] = simulated, modelled
    records: list[StepRecord] = []
    with progress(label, sequences.shape[1]) as advance:

        def keep(record: StepRecord) -> None:
            records.append(record)
            advance(1)

        spice_logits = in_spice.forward(sequences, unused, keep)
    seconds = time.perf_counter() - started
    bits = hardware.tile.adc.bits
    spice_codes, model_codes = [], []
    for record in records:
        for gate in GATES:
            function = get_function(GATE_FUNCTIONS[gate])
            spice_codes.append(encode(record.activations[gate], function.low, function.high, bits))
            model_codes.append(model_tiles[gate].codes(record.inputs, unused).astype(np.int64))
    shape = (len(records), len(GATES), *spice_codes[0].shape)
    return Cosimulation(
        spice=np.array(spice_codes).reshape(shape),
        model=np.array(model_codes).reshape(shape),
        spice_classes=np.argmax(spice_logits, axis=1),
        model_classes=in_model.predict(sequences, unused),
        inputs=np.array([record.inputs for record in records]),
        decks=tuple(key for tile in spice_tiles.values() for key in tile.deck_keys),
        undecided=sum(tile.counts.undecided for tile in spice_tiles.values()),
        seconds=seconds,
    )
