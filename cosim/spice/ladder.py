"""What is tried when a deck does not converge. Accuracy is never loosened: reltol, vntol and gmin stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cosim.spice.deck import Deck, FailureKind, Result

# Each rung is added to the deck as written. Gear damps the numerical ringing of the trapezoidal rule; more Newton
# iterations and shorter steps (trtol) help where models have sharp corners.
RUNGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("as written", {}),
    ("gear", {"method": "gear"}),
    ("gear, short steps", {"method": "gear", "trtol": 1.0, "itl4": 300, "itl1": 1000}),
)
_WORTH_RETRYING = {FailureKind.NO_CONVERGENCE, FailureKind.NOT_FINITE}


def climb(deck: Deck, run: Callable[[Deck], Result]) -> Result:
    """Run a deck, rung by rung until one succeeds; the attempts are recorded in the result."""
    tried: list[str] = []
    logs: list[str] = []
    result: Result | None = None
    for name, changes in RUNGS:
        result = run(deck.with_tolerances(**changes) if changes else deck)
        tried.append(name)
        logs.append(f"--- {name}\n{result.log}")
        if result.failure is None or result.failure.kind not in _WORTH_RETRYING:
            break
    assert result is not None
    return replace(result, attempts=tuple(tried), log=logs[0] if len(logs) == 1 else "\n".join(logs))
