"""What is tried when a deck does not converge. Accuracy is never loosened: reltol, vntol and gmin stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cosim.spice.deck import Deck, FailureKind, Result, Tolerances


def _as_written(tolerances: Tolerances) -> Tolerances:
    return tolerances


def _gear(tolerances: Tolerances) -> Tolerances:
    return replace(tolerances, method="gear")


def _gear_short_steps(tolerances: Tolerances) -> Tolerances:
    # trtol is lowered and not set (1 from the default of 7): a deck with halved steps stays finer than its parent.
    return replace(tolerances, method="gear", trtol=tolerances.trtol / 7, itl4=300, itl1=1000)


# Each rung is added to the deck as written. Gear damps the numerical ringing of the trapezoidal rule; more Newton
# iterations and shorter steps (trtol) help where models have sharp corners.
RUNGS: tuple[tuple[str, Callable[[Tolerances], Tolerances]], ...] = (
    ("as written", _as_written),
    ("gear", _gear),
    ("gear, short steps", _gear_short_steps),
)
_WORTH_RETRYING = {FailureKind.NO_CONVERGENCE, FailureKind.NOT_FINITE}


def climb(deck: Deck, run: Callable[[Deck], Result]) -> Result:
    """Run a deck, rung by rung until one succeeds; the attempts are recorded in the result."""
    tried: list[str] = []
    logs: list[str] = []
    result: Result | None = None
    for name, rung in RUNGS:
        result = run(replace(deck, tolerances=rung(deck.tolerances)))
        tried.append(name)
        logs.append(f"--- {name}\n{result.log}")
        if result.failure is None or result.failure.kind not in _WORTH_RETRYING:
            break
    assert result is not None
    return replace(result, attempts=tuple(tried), log=logs[0] if len(logs) == 1 else "\n".join(logs))
