"""The remaining time is what a run whose schedule is known still takes."""

import heapq
import io
import math
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from cosim.progress import FURTHER_ROUNDS, RemainingTime, further_rounds, in_words, progress


def schedule(durations: list[float], workers: int) -> list[tuple[float, int]]:
    """(end [s], number of the step) of steps that workers take in order, as each becomes free."""
    free = [0.0] * workers
    ends = []
    for number, duration in enumerate(durations):
        end = heapq.heappop(free) + duration
        heapq.heappush(free, end)
        ends.append((end, number))
    return sorted(ends)


def estimates(durations: list[float], costs: list[float], workers: int) -> Iterator[tuple[float, float | None, float]]:
    """(share done, estimate [s], truth [s]) after every step of a run."""
    left = RemainingTime(len(durations), sum(costs), workers=workers)
    ends = schedule(durations, workers)
    for count, (now, number) in enumerate(ends, 1):
        left.finished(durations[number], now, costs[number])
        yield count / len(ends), left.seconds(now), ends[-1][0] - now


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_equal_steps_are_foretold_exactly(workers: int) -> None:
    for share, estimate, truth in estimates([3.0] * 40, [1.0] * 40, workers):
        assert estimate is not None
        # Within one row of workers some have finished the step that others just end, by one step a worker.
        assert estimate == pytest.approx(truth, abs=1e-9 if workers == 1 else 3.0), share


def test_steps_whose_cost_is_known_are_foretold_exactly_whatever_their_order() -> None:
    costs = [float(size**2) for size in range(1, 31)]  # small arrays first: their mean tells nothing of the others
    for _, estimate, truth in estimates([0.01 * cost for cost in costs], costs, 1):
        assert estimate == pytest.approx(truth, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_scattered_steps_are_foretold_within_their_scatter(workers: int) -> None:
    durations = np.random.default_rng(5).lognormal(0.0, 0.5, 400).tolist()
    for share, estimate, truth in estimates(durations, [1.0] * 400, workers):
        if 0.1 < share < 0.9:
            # The mean of n = 40 or more steps that scatter by 53 % is known to 0.53 / sqrt(n) = 8 %; three sigma.
            assert estimate == pytest.approx(truth, rel=0.25)


def test_known_results_tell_nothing_about_the_others() -> None:
    left = RemainingTime(60)
    for _ in range(50):
        left.known()
    assert left.seconds(0.1) is None  # rich would say: 0.1 s for 50, so 0.02 s more
    left.finished(10.0, 10.1)
    assert left.seconds(10.1) == pytest.approx(90.0)


def test_workers_share_what_is_left_and_the_last_steps_cannot_be_shared() -> None:
    left = RemainingTime(9, workers=4)
    left.finished(8.0, 8.0)
    assert left.seconds(8.0) == pytest.approx((8 * 8.0 - 3 * 8.0) / 4)  # three workers have been busy as long
    for _ in range(7):
        left.finished(8.0, 24.0)
    assert left.seconds(24.0) == pytest.approx(8.0)  # one step, however many workers
    left.workers = 1  # a worker that went away
    assert left.seconds(24.0) == pytest.approx(8.0)


def test_time_runs_down_between_steps_and_never_below_nothing() -> None:
    left = RemainingTime(3)
    left.finished(10.0, 10.0)
    assert [left.seconds(now) for now in (10.0, 14.0, 20.0)] == pytest.approx([20.0, 16.0, 10.0])
    assert left.seconds(500.0) == pytest.approx(10.0)  # the running one overdue, the last still to come
    left.finished(490.0, 500.0)
    left.finished(10.0, 510.0)
    assert left.seconds(510.0) == 0.0


def test_a_step_that_does_not_tell_its_time_only_leaves_the_count() -> None:
    with progress(None, 3) as bar:
        bar.finished(math.nan)
        assert bar.left.seconds(0.0) is None and bar.left.steps == 2
        bar(2)
        assert bar.left.steps == 0 and bar.known_before == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"), (0.0, "0 s"), (0.2, "1 s"), (19.1, "20 s"), (41.0, "45 s"), (89.0, "90 s"), (91.0, "2 min"),
        (1500.0, "25 min"), (5399.0, "1 h 30 min"), (5401.0, "1 h 40 min"), (7200.0, "2 h"), (90000.0, "25 h"),
    ],
)  # fmt: skip
def test_a_remaining_time_has_no_more_digits_than_it_deserves(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_a_terminal_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with further_rounds(), progress("ramp, round 1", 4, cost=40.0) as bar:
        bar.known(10.0)
        bar._shown.refresh()  # type: ignore[union-attr]
        bar.finished(30.0, 10.0)
        bar._shown.refresh()  # type: ignore[union-attr]
    said = terminal.getvalue()
    with progress("the last one", 1) as bar:
        bar()
    assert (
        terminal.getvalue()[len(said) :].count("done") == 0 and FURTHER_ROUNDS not in terminal.getvalue()[len(said) :]
    )
    assert f"left ?, {FURTHER_ROUNDS}" in said
    assert f"left 60 s, {FURTHER_ROUNDS}" in said and "2/4" in said


def test_elsewhere_one_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("crossbar", 3) as bar:
        bar.known()
        bar(2)
    with progress(None, 3) as bar:
        bar(3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("crossbar: 3 done in ") and lines[0].endswith(" s, 1 of them known before")
