"""The `.tran` line of a deck: its times, and the same line with all time steps halved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cosim.errors import CosimError

# SPICE's scale factors; letters after them ("10ns") say nothing. `mil` is 25.4 um, `meg` is not milli.
_SCALES = {
    "t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "mil": 25.4e-6, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12,
    "f": 1e-15, "a": 1e-18,
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(meg|mil|[tgkmunpfa])?[a-z]*", re.IGNORECASE)

_FEWEST_STEPS = 50  # ngspice takes at least so many steps in a transient without an explicit limit


def spice_number(text: str) -> float | None:
    """The number that SPICE reads from `text` ("10n", "2.5meg", "1e-9s"), or None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return float(match[1]) * _SCALES.get((match[2] or "").lower(), 1.0)


@dataclass(frozen=True)
class TranLine:
    """The times of `.tran step stop [start [limit]] [uic]` [s]; `limit` is the largest step, ngspice's own if none."""

    step: float
    stop: float
    start: float
    limit: float
    uic: bool

    @classmethod
    def read(cls, line: str) -> TranLine:
        """Raises CosimError when the line has not two to four plain numbers (an expression has no value here)."""
        words = line.split()
        uic = words[-1].lower() == "uic"
        numbers = [spice_number(word) for word in words[1 : len(words) - uic]]
        times = [number for number in numbers if number is not None]
        if not 2 <= len(numbers) <= 4 or len(times) < len(numbers):
            raise CosimError(
                "the time steps of this analysis cannot be read",
                value=line,
                allowed=".tran tstep tstop [tstart [tmax]]",
            )
        step, stop, start, limit = [*times, 0.0, 0.0][:4]
        if limit == 0.0:  # zero too means: not given
            limit = min(step, (stop - start) / _FEWEST_STEPS)
        return cls(step, stop, start, limit, uic)

    @property
    def points(self) -> float:
        """Steps of the largest size from start to stop, at least 1."""
        return max((self.stop - self.start) / self.limit, 1.0) if self.limit > 0 else 1.0

    def halved(self) -> str:
        """The line with the printing step and the largest step halved, all of them written out."""
        times = (self.step / 2, self.stop, self.start, self.limit / 2)
        return " ".join((".tran", *(repr(time) for time in times), *(("uic",) if self.uic else ())))
