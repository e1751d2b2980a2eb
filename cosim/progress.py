"""Progress bars on stderr, only where somebody looks at a terminal, with a remaining time that rests on measurement."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

FURTHER_ROUNDS = "then perhaps further rounds"

_more: ContextVar[str] = ContextVar("more", default="")


@contextlib.contextmanager
def further_rounds() -> Iterator[None]:
    """Bars that begin under this say that their end need not be the end; also to decorate a round of a search with."""
    token = _more.set(FURTHER_ROUNDS)
    try:
        yield
    finally:
        _more.reset(token)


class RemainingTime:
    """What is left of a number of steps that several workers share, from what the finished ones took.

    A step has a cost in any unit (1 where all are alike); its time is taken to be proportional to it. Steps whose
    result was known before take no time and tell nothing about the others: they only leave the count.

    Parameters
    ----------
    steps, cost: how many, and their costs together; all alike when `cost` is None.
    workers: steps that run at once; may be changed while they run.
    now: time of the start [s], of the clock that the other methods are told.
    """

    def __init__(self, steps: int, cost: float | None = None, *, workers: int = 1, now: float = 0.0) -> None:
        self.steps = steps  # not yet finished
        self.cost = float(steps) if cost is None else cost  # of these
        self.workers = workers
        self._seconds = 0.0  # that finished steps took, on whichever worker
        self._paid = 0.0  # their costs
        self._started = now
        self._last: deque[float] = deque()  # when workers finished a step, the latest last

    def known(self, cost: float = 1.0) -> None:
        """A step whose result was there already, or that ended without telling its time."""
        self.steps -= 1
        self.cost -= cost

    def finished(self, seconds: float, now: float, cost: float = 1.0) -> None:
        """A step that took a worker `seconds`; `now`: time of its end [s]."""
        self.known(cost)
        self._seconds += seconds
        self._paid += cost
        self._last.append(now)
        while len(self._last) > self.workers:
            self._last.popleft()

    def seconds(self, now: float) -> float | None:
        """Wall time until all steps are finished [s]; None while none has been measured.

        Each worker is taken to have begun its next step when one was last finished; of a step that takes longer than
        expected nothing is left, not less.
        """
        if self.steps <= 0:
            return 0.0
        if self._paid <= 0.0:
            return None
        rate = self._seconds / self._paid
        running = min(self.workers, self.steps)
        expected = rate * max(self.cost, 0.0) / self.steps  # of one step
        begun = [*([self._started] * running), *self._last][-running:]
        spent = sum(min(max(now - each, 0.0), expected) for each in begun)
        return max(rate * self.cost - spent, 0.0) / running


def in_words(seconds: float | None) -> str:
    """A remaining time with no more digits than it deserves: "40 s", "3 min", "2 h 10 min"; "?" for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{_two_digits(seconds)} s"
    minutes = math.ceil(seconds / 60)
    if minutes < 90:
        return f"{_two_digits(minutes)} min"
    tens = math.ceil(minutes / 10)
    return f"{tens // 6} h" + (f" {tens % 6 * 10} min" if tens % 6 else "")


def _two_digits(number: float) -> int:
    whole = math.ceil(number)
    return whole if whole <= 20 else -(-whole // 5) * 5


class Bar:
    """What the loop under a progress bar tells it; calling it with a number of steps does for loops in one thread."""

    def __init__(self, left: RemainingTime, shown: Progress | None = None) -> None:
        self.left = left
        self.known_before = 0
        self._shown = shown
        self._since = time.monotonic()

    def __call__(self, steps: int = 1) -> None:
        """So many steps more, that together took the time since the last call."""
        now = time.monotonic()
        for _ in range(steps):
            self.finished((now - self._since) / steps)
        self._since = now

    def known(self, cost: float = 1.0) -> None:
        """A step whose result was known before."""
        self.known_before += 1
        self.left.known(cost)
        self._move()

    def finished(self, seconds: float, cost: float = 1.0) -> None:
        """A step that took a worker `seconds`; NaN where nobody knows."""
        if math.isfinite(seconds):
            self.left.finished(seconds, time.monotonic(), cost)
        else:
            self.left.known(cost)
        self._move()

    def _move(self) -> None:
        if self._shown is not None:
            self._shown.advance(self._shown.task_ids[0], 1)


@contextlib.contextmanager
def progress(label: str | None, total: int, *, cost: float | None = None, workers: int = 1) -> Iterator[Bar]:
    """A bar with remaining time while the block runs; yields the `Bar` to be told. No label, no bar.

    total, cost, workers: see `RemainingTime`. The time shown is that of these steps; see `further_rounds`.

    Where stderr is no terminal, one line is printed at the end instead.
    """
    started, more = time.monotonic(), _more.get()
    left = RemainingTime(total, cost, workers=workers, now=started)
    if label is None or total == 0:
        yield Bar(left)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Left(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            if task.finished:
                return Text(more)
            said = f"left {in_words(left.seconds(time.monotonic()))}"
            return Text(f"{said}, {more}" if more else said)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), Left())
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        shown.add_task(label, total=total)
        bar = Bar(left, shown)
        yield bar
    if not console.is_terminal:
        before = f", {bar.known_before} of them known before" if bar.known_before else ""
        console.print(f"{label}: {total} done in {time.monotonic() - started:.1f} s{before}", highlight=False)
