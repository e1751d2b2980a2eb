"""Which setting the accuracy depends on: Sobol indices, and scores that are compared on the same chips and samples.

Sobol indices of a figure y over settings x_i that are drawn independently (I. M. Sobol, Math. Comput. Simul. 55, 271
(2001); estimators of A. Saltelli et al., Comput. Phys. Commun. 181, 259 (2010), as in SALib):

    S1_i = var(E[y | x_i]) / var(y)              what x_i does alone
    ST_i = 1 - var(E[y | all but x_i]) / var(y)  what it does alone and together with others
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.studies.evaluation import Outcome
from cosim.studies.scores import Scores

EXTRA = "pip install cosim[studies]"


@dataclass(frozen=True)
class SobolIndices:
    """Indices of each setting with their 95 % intervals (half widths, by bootstrap).

    Attributes
    ----------
    names: settings.
    first, total: S1 and ST, shape (settings,); first_reach, total_reach: half widths.
    second: S2 of pairs (i, j), or None where it was not asked for.
    points: model evaluations.
    """

    names: tuple[str, ...]
    first: NDArray[np.float64]
    first_reach: NDArray[np.float64]
    total: NDArray[np.float64]
    total_reach: NDArray[np.float64]
    second: NDArray[np.float64] | None
    points: int


def check_samples(samples: int) -> None:
    """Raise CosimError where a number of samples is no power of 2."""
    if samples & (samples - 1):
        raise CosimError(
            "a Sobol sequence needs a power of 2", key="sweep.samples", value=samples,
            allowed=[2 ** (samples.bit_length() - 1), 2 ** samples.bit_length()],
        )  # fmt: skip


def saltelli_shares(settings: int, samples: int, second_order: bool, seed: int) -> NDArray[np.float64]:
    """Points in the unit cube, shape (N (k + 2) or N (2 k + 2), settings).

    Raises CosimError where the number of samples is no power of 2, or SALib is not installed.
    """
    check_samples(samples)
    sample = _salib().sample.sobol.sample(
        _problem(settings), samples, calc_second_order=second_order, scramble=True, seed=_number(seed)
    )
    return np.asarray(sample, dtype=np.float64)


def sobol_indices(names: Sequence[str], figures: NDArray[np.float64], second_order: bool, seed: int) -> SobolIndices:
    """Indices from a figure of each point, in the order of `saltelli_shares`.

    Raises CosimError where a point has no figure, or all have the same: then nothing is to be divided.
    """
    if not np.isfinite(figures).all():
        raise CosimError(
            f"{int((~np.isfinite(figures)).sum())} of {len(figures)} points have no figure: Sobol indices need all"
        )
    if float(np.ptp(figures)) == 0.0:
        raise CosimError("the figure is the same at all points: there is no variance to share out")
    found = _salib().analyze.sobol.analyze(
        _problem(len(names)), figures, calc_second_order=second_order, print_to_console=False, seed=_number(seed)
    )
    return SobolIndices(
        tuple(names),
        np.asarray(found["S1"]),
        np.asarray(found["S1_conf"]),
        np.asarray(found["ST"]),
        np.asarray(found["ST_conf"]),
        np.asarray(found["S2"]) if second_order else None,
        len(figures),
    )


def paired_scores(outcome: Outcome) -> Scores:
    """Scores of chips and samples, the mean of a chip's reads. CosimError for a point that failed."""
    if outcome.failure is not None:
        raise CosimError(f"this point failed: {outcome.failure}")
    return Scores(outcome.scores.mean(axis=1), outcome.weights, outcome.metric)


def _problem(settings: int) -> dict[str, Any]:
    return {
        "num_vars": settings,
        "names": [f"x{place}" for place in range(settings)],
        "bounds": [[0.0, 1.0]] * settings,
    }


def _number(seed: int) -> int:
    """A seed for SALib, of the study's."""
    return int(stream(seed, "study: Sobol").generate_state(1)[0])


def _salib() -> Any:
    try:
        import SALib.analyze.sobol
        import SALib.sample.sobol
    except ImportError as error:
        raise CosimError(f"Sobol indices need SALib; type: {EXTRA}") from error
    return SALib
