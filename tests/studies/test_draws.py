"""Points at which nothing is drawn: one chip, read once, stands for all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.studies.evaluation import Job, evaluate
from cosim.studies.specification import load_specification
from cosim.studies.subjects import Subject

Write = Callable[..., Path]

LADDER = """
schema = "cosim.study/1"
title = "what is drawn"
seed = 1
chips = 2
noise_samples = 2
test_samples = 30
[network]
name = "digits_lstm"
[nonidealities]
programming_error = false
read_noise = false
ramp_error = false
adc_noise = false
[sweep]
method = "list"
[[sweep.points]]
"fidelity.default" = "quantised"
"nonidealities.comparator_offset" = true
[[sweep.points]]
"fidelity.default" = "behavioural"
"nonidealities.comparator_offset" = false
[[sweep.points]]
"fidelity.default" = "behavioural"
"nonidealities.comparator_offset" = true
"""


def test_one_chip_stands_for_all_where_nothing_is_drawn(study_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scores as when each chip is programmed and read; programmed once."""
    study, programmed = load_specification(study_file(LADDER)), []
    assert study.design is not None
    jobs = [Job(str(n), study.content, study.design.values(n), study.counts, str(study.folder)) for n in range(3)]
    program = Subject.program

    def counting(self: Subject, *arguments: Any, **named: Any) -> None:
        programmed.append(1)
        program(self, *arguments, **named)

    monkeypatch.setattr(Subject, "program", counting)
    once = [evaluate(job) for job in jobs]
    assert len(programmed) == 1 + 1 + 2
    monkeypatch.setattr(Subject, "draws", lambda self, **named: True)
    every = [evaluate(job) for job in jobs]
    assert len(programmed) == 4 + 3 * 2
    for one, other in zip(once, every, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.losses, other.losses)
    assert np.ptp(once[2].losses) > 0
