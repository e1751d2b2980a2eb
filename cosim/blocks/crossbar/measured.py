"""What one measurement of the crossbar adds to the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dataset import Entry
from cosim.blocks.halving import Checked, all_keys, statuses
from cosim.blocks.status import FAILED, OK
from cosim.spice import Result


@dataclass(frozen=True)
class Measured:
    """Part of a data set.

    Attributes
    ----------
    variables, coords: as of `cosim.blocks.dataset.new_dataset`.
    status: of each simulated point, shape (points,); see `cosim.blocks.status`.
    keys: hashes of all decks that were run.
    steps: variable -> how far it moved at most when the time steps were halved, and its tolerance in words.
    """

    variables: Mapping[str, Entry]
    coords: Mapping[str, Entry]
    status: NDArray[np.int8]
    keys: Sequence[str]
    steps: Mapping[str, tuple[float, str]] = field(default_factory=dict)


def status_of(results: Sequence[Result]) -> NDArray[np.int8]:
    """Status of decks without a transient, shape (results,)."""
    return np.array([OK if result.ok else FAILED for result in results], dtype=np.int8)


def of_results(variables: Mapping[str, Entry], coords: Mapping[str, Entry], results: Sequence[Result]) -> Measured:
    """A measurement by decks without a transient, one point each."""
    return Measured(variables, coords, status_of(results), [result.key for result in results])


def of_checked(
    variables: Mapping[str, Entry],
    coords: Mapping[str, Entry],
    checked: Sequence[Checked],
    steps: Mapping[str, tuple[float, str]],
) -> Measured:
    """A measurement by transients, one point each."""
    return Measured(variables, coords, statuses(checked), all_keys(checked), steps)
