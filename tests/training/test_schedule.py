"""The learning rate's schedule, and how it fits the epochs to the time."""

import math
from typing import Any

import numpy as np
import pytest

from cosim.errors import CosimError

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")


def schedule(*arguments: Any, **settings: Any) -> Any:
    from cosim.training.hardware import Schedule

    return Schedule(*arguments, **settings)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_schedule_rises_and_falls_along_a_cosine() -> None:
    plan = schedule(10, 0.4, warm_up=2)
    rates = []
    while not plan.finished:
        rates += [plan.rate(0.0), plan.rate(0.5)]
        plan.epoch_done()
    expected = [0.4 * k / 4 for k in range(4)] + [0.2 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
    np.testing.assert_allclose(rates, expected, atol=1e-15)
    assert plan.facts() == {"later_cuts": 0}


def test_schedule_fits_the_epochs_to_the_time() -> None:
    clock = Clock()
    plan = schedule(1000, 1.0, warm_up=3, seconds=100.0, clock=clock)
    rates = []
    while not plan.finished:
        rates.append(plan.rate(0.0))
        clock.now += 5.0 if plan.done == 0 else 2.0  # the first one warms up
        plan.epoch_done()
    assert 94 <= clock.now <= 100  # 3 % margin and less than an epoch
    falling = rates[3:]
    np.testing.assert_allclose(
        falling, [(1 + math.cos(math.pi * k / len(falling))) / 2 for k in range(len(falling))], atol=1e-12
    )
    assert plan.later_cuts == 0


def test_schedule_ends_in_time_when_the_machine_becomes_slow() -> None:
    clock = Clock()
    plan = schedule(100, 1.0, seconds=50.0, clock=clock)
    rates = []
    while not plan.finished:
        rates.append(plan.rate(1.0))
        clock.now += 1.0 if plan.done < 10 else 3.0
        plan.epoch_done()
    assert clock.now <= 53.0  # at most the epoch that is running when the time is up
    assert plan.later_cuts > 0
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1


def test_schedule_trains_one_falling_epoch_at_least() -> None:
    clock = Clock()
    plan = schedule(100, 1.0, warm_up=2, seconds=1.0, clock=clock)
    for _ in range(3):
        assert not plan.finished
        clock.now += 10
        plan.epoch_done()
    assert plan.finished
    with pytest.raises(CosimError, match="one epoch"):
        schedule(0, 1.0)
