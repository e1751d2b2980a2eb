"""Where a training runs and for how long: device, determinism, and a schedule that fits a time limit."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from cosim.errors import CosimError


def chosen_device(name: str | None) -> torch.device:
    """The device to train on; None: cuda where there is one, else the CPU. CosimError when it is not there."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise CosimError("unknown device", key="device", value=name, allowed=("cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise CosimError("PyTorch finds no GPU here", key="device", value=name, allowed=("cpu",))
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """What a file says of the device: the GPU's name, or the kind of CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU {platform.machine()}"


@contextlib.contextmanager
def repeatable(seed: int, deterministic: bool = True) -> Iterator[None]:
    """Seed torch and, with `deterministic`, let it use deterministic algorithms alone while the block runs.

    The same seed then gives the same weights on the same device and version of torch; another device adds in another
    order. Operations without a deterministic form warn.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats only with a fixed workspace
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
    try:
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        # Every element is written; filling costs launches.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic = deterministic
        torch.backends.cudnn.benchmark = not deterministic
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[2:4]
        torch.utils.deterministic.fill_uninitialized_memory = before[4]  # type: ignore[attr-defined]


MARGIN = 0.03  # of the time limit


@dataclass
class Schedule:
    """A learning rate that rises linearly over the first epochs and falls along a cosine to zero at the end.

    With `seconds` the number of epochs is fitted to the wall clock. When the rate has risen (two epochs at least), the
    epochs that are left are cut to what fits by the median time of those done, with MARGIN; should later ones take
    longer, they are cut again, and the rest of the cosine is laid over them. Without a limit or a later cut it is the
    plain cosine.

    Attributes
    ----------
    epochs: at most so many.
    peak: the highest rate.
    warm_up: epochs of the rise.
    seconds: wall time for all epochs from `started` on, or None.
    later_cuts: how often epochs were cut after the rate had begun to fall.
    """

    epochs: int
    peak: float
    warm_up: int = 0
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    later_cuts: int = 0
    times: list[float] = field(default_factory=list)
    _phase: float = 0.0  # of the cosine: 0 at its top, 1 at its end
    _left: int = 0  # epochs of the cosine that are left

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise CosimError("training needs at least one epoch", key="epochs", value=self.epochs, allowed="1 or more")
        self.warm_up = min(self.warm_up, self.epochs - 1)
        self._left = self.epochs - self.warm_up
        self.started = self._since = self.clock()

    @property
    def finished(self) -> bool:
        return self.done > 0 and self.done >= self.warm_up and self._left == 0

    def rate(self, share: float) -> float:
        """The rate when `share` (0 .. 1) of the present epoch is done."""
        if self.done < self.warm_up:
            return self.peak * (self.done + share) / self.warm_up
        phase = self._phase + share * (1 - self._phase) / self._left
        return self.peak * (1 + math.cos(math.pi * phase)) / 2

    def epoch_done(self) -> None:
        """Tell that an epoch is over; fits the rest to the time limit."""
        now = self.clock()
        self.times.append(now - self._since)
        self._since = now
        if self.done >= self.warm_up:
            self._phase += (1 - self._phase) / self._left
            self._left -= 1
        self.done += 1
        if self.seconds is None or self.done < max(self.warm_up, 2):  # the first epoch's time says little
            return
        recent = sorted(self.times[1:])  # the first one warms up libraries
        typical = recent[len(recent) // 2]
        falling = self._phase > 0
        limit = self.seconds if falling else self.seconds * (1 - MARGIN)
        fits = math.floor((limit - (now - self.started)) / typical) - max(self.warm_up - self.done, 0)
        # One epoch of the fall at least: weights at the peak rate are worth nothing.
        left = max(min(self._left, fits), 0 if falling else 1)
        self.later_cuts += falling and left < self._left
        self._left = left

    def facts(self) -> dict[str, int]:
        """For the log: a training with later cuts is not repeated exactly by its number of epochs."""
        return {"later_cuts": self.later_cuts}
