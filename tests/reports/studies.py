"""Studies whose points are made up: the engine's own files, with scores from a formula in place of a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.commands.study_view import View, open_view
from cosim.studies.evaluation import Job, Outcome, failed
from cosim.studies.execution import begin, run_study
from cosim.studies.specification import parse_specification
from cosim.studies.tasks import Metric

SAMPLES = 200

HEAD = """schema = "cosim.study/1"
title = "{title}"
seed = 3
chips = {chips}
noise_samples = {reads}
test_samples = 200

[network]
name = "digits_lstm"

[tile]
dac_bits = 6

"""
GRID = (
    HEAD.format(title="Bits and noise", chips=5, reads=2)
    + """[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [3, 4, 5]
"device.read_noise" = [0.0, 0.02, 0.1]
"""
)
ONE = HEAD.format(title="Time after programming", chips=1, reads=1) + """[device]
name = "pcm_inference"

[sweep]
method = "grid"

[sweep.over]
"device.time" = ["25 s", "1 hour", "1 day", "1 year"]
"""  # fmt: skip
MANY = (
    HEAD.format(title="Four settings", chips=3, reads=2)
    + """[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [3, 4]
"device.programming_sigma" = ["0.1 uS", "1 uS", "10 uS"]
"tile.law" = ["linear", "sinh"]
"nonidealities.ir_drop" = [true, false]
"""
)
LADDER = (
    HEAD.format(title="Ladder", chips=5, reads=2).replace('[network]\nname = "digits_lstm"\n', "")
    + '[sweep]\nmethod = "ladder"\n'
)
LIST = (
    HEAD.format(title="A list", chips=4, reads=1)
    + """[sweep]
method = "list"

[[sweep.points]]
"tile.adc.bits" = 3
"tile.adc.v_read" = "0.15 V"

[[sweep.points]]
"tile.adc.bits" = 5
"tile.adc.v_read" = "0.2 V"
"""
)
CUBE = (
    HEAD.format(title="A cube", chips=3, reads=1)
    + """[sweep]
method = "latin hypercube"
samples = 30

[sweep.over]
"tile.adc.v_read" = {low = "0.15 V", high = "0.25 V"}
"device.programming_sigma" = {low = "0.1 uS", high = "15 uS", scale = "log"}
"device.read_noise" = {low = 0.0, high = 0.1}
"tile.adc.bits" = {low = 3, high = 6}
"tile.adc.calibration" = ["none", "one_point"]
"""
)
TEXTS = {"grid": GRID, "one": ONE, "ladder": LADDER, "list": LIST, "cube": CUBE}


def share_right(values: Mapping[str, Any]) -> float:
    """Share of right answers at a point: falls with noise and non-idealities, rises with bits."""
    share = 0.97 - 0.3 * 0.5 ** values.get("tile.adc.bits", 5) - 1.5 * values.get("device.read_noise", 0.0)
    share -= 0.02 * values.get("device.programming_sigma", 0.0) / 1e-6
    share -= 0.03 * sum(bool(value) for name, value in values.items() if name.startswith("nonidealities."))
    share -= 0.05 * np.log10(1 + values.get("device.time", 0.0)) / 8
    return float(np.clip(share, 0.1, 1.0))


class MadeUp:
    """A workplace whose outcomes are drawn: chips and samples have their own shares, the same at all points.

    broken: numbers of the points that fail. warned: that warn. metric: bits are few where answers are right.
    """

    workers = 1

    def __init__(self, broken: tuple[int, ...] = (), warned: tuple[int, ...] = (), metric: Metric = "accuracy") -> None:
        self._broken, self._warned, self._metric = broken, warned, metric
        self._jobs: list[Job] = []
        self._count = 0

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def ended(self, patience: float) -> Iterator[Outcome]:
        while self._jobs:
            job, number = self._jobs.pop(0), self._count
            self._count += 1
            if number in self._broken:
                yield failed(job.key, "accuracy", "the ramp <b>does not</b> climb", 0.5)
                continue
            rng = np.random.default_rng(7)
            shape = (job.counts.chips, job.counts.noise_samples, SAMPLES)
            hard = 0.15 * rng.random(SAMPLES) + 0.03 * rng.standard_normal((job.counts.chips, 1, 1))
            scores = (rng.random(shape) < share_right(job.values) - hard + 0.07).astype(float)
            if self._metric == "bits_per_symbol":
                scores = 1.4 + rng.random(shape) * (1.2 - scores.mean())
            yield Outcome(
                job.key, self._metric, scores, np.ones(SAMPLES), np.full(shape[:2], 0.1 + (1 - scores.mean())),
                {"cells": 10496.0, "energy": 1e-9 * 2.0 ** job.values.get("tile.adc.bits", 5), "clipped": 0.0123},
                warnings={"OutsideDomainWarning: V_read <is> low": 3} if number in self._warned else {}, seconds=1.5,
            )  # fmt: skip

    def close(self, *, at_once: bool = False) -> None:
        self._jobs.clear()


def made_up_study(folder: Path, text: str, workplace: MadeUp | None = None) -> View:
    """A finished study in `folder`."""
    file = folder / "study.toml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    results = folder / "study_results"
    run = begin(parse_specification(text, file), results, workplace or MadeUp())  # type: ignore[arg-type]
    run_study(run)
    return open_view(results)


def spaced(text: str) -> str:
    """Text of a page with single, ordinary spaces."""
    return re.sub(r"\s+", " ", text.replace("\u00a0", " "))
