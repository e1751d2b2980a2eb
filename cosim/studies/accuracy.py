"""Accuracy of a network over chips, and the ladder of single non-idealities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cosim.networks.lstm import LstmNetwork, LstmWeights, lstm_network
from cosim.progress import progress
from cosim.seeds import stream
from cosim.tiles.config import Nonidealities
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ChipAccuracy:
    """Right answers of several chips on the same images.

    Attributes
    ----------
    correct: shape (chips, images).
    """

    correct: NDArray[np.bool_]

    @property
    def chips(self) -> NDArray[np.float64]:
        """Accuracy of each chip, shape (chips,)."""
        return np.asarray(self.correct.mean(axis=1))

    @property
    def mean(self) -> float:
        return float(self.chips.mean())

    @property
    def spread(self) -> float:
        """Standard deviation from chip to chip; 0 for a single chip."""
        return float(self.chips.std(ddof=1)) if len(self.chips) > 1 else 0.0

    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean, for other chips and other images: both variances of the mean, added."""
        low, high = mean_interval(self.correct.astype(float))
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: the accuracy with one non-ideality (or none, or all), and what it costs.

    Attributes
    ----------
    cost, cost_interval: accuracy with none minus this one, on the same chips and images, as shares.
    """

    name: str
    result: ChipAccuracy
    cost: float
    cost_interval: tuple[float, float]


def correct_answers(
    network: LstmNetwork, sequences: NDArray[np.floating], labels: NDArray[np.integer], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which images a programmed network gets right, shape (images,)."""
    return np.asarray(network.predict(sequences, rng) == labels)


def over_chips(
    weights: LstmWeights,
    hardware: Hardware,
    sequences: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    chips: int,
    seed: int,
    fidelity: Fidelity = Fidelity.BEHAVIOURAL,
    label: str | None = None,
) -> ChipAccuracy:
    """Draw chips and run all images through each.

    Chip n and its read noise depend on the seed and n alone, not on the switches: settings are compared on the same
    chips.
    """
    network = lstm_network(weights, hardware, fidelity)
    rows = []
    with progress(label, chips) as advance:
        for child in stream(seed, "accuracy: chips").spawn(chips):
            for_chip, for_reads = (np.random.default_rng(each) for each in child.spawn(2))
            network.program(for_chip)
            rows.append(correct_answers(network, sequences, labels, for_reads))
            advance(1)
    return ChipAccuracy(np.array(rows))


def ladder(
    weights: LstmWeights,
    hardware: Hardware,
    sequences: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    chips: int,
    seed: int,
    label: str | None = None,
) -> list[Rung]:
    """Accuracy with no non-ideality, with each one alone, and with all, on the same chips."""
    settings = {"none": Nonidealities.none()}
    settings |= {name: Nonidealities.only(name) for name in Nonidealities.names()}
    settings["all"] = Nonidealities()
    rungs: list[Rung] = []
    base: ChipAccuracy | None = None
    with progress(label, len(settings)) as advance:
        for name, switches in settings.items():
            result = over_chips(
                weights, hardware.with_nonidealities(switches), sequences, labels, chips=chips, seed=seed
            )
            base = base or result
            difference = base.correct.astype(float) - result.correct
            rungs.append(Rung(name, result, float(difference.mean()), mean_interval(difference)))
            advance(1)
    return rungs


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Interval of the mean of (chips, images) values for a population of chips and of images.

    Variance of the mean: that of the chips' means over their number, plus that of the images' means over theirs
    (crossed random effects; the small residual term is in both and so is counted once too much, on the safe side).
    Degrees of freedom of the sum: F. E. Satterthwaite, Biometrics Bulletin 2, 110 (1946). What has one chip, or one
    image, says nothing of others.
    """
    variances, squares = 0.0, 0.0
    for axis, count in enumerate(values.shape):
        if count > 1:
            variance = float(values.mean(axis=1 - axis).var(ddof=1)) / count
            variances += variance
            squares += variance**2 / (count - 1)
    mean = float(values.mean())
    if not squares:
        return mean, mean
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, variances**2 / squares)) * math.sqrt(variances)
    return mean - reach, mean + reach
