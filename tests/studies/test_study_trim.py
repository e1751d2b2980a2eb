"""Networks trimmed when the study says so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cosim.studies.evaluation import Job, Outcome, evaluate
from cosim.studies.specification import load_specification

Write = Callable[..., Path]

STUDY = """
schema = "cosim.study/1"
title = "trim"
seed = 1
chips = 2
test_samples = 40
[network]
name = "digits_lstm"
activations = "digital"
[device]
name = "pcm_inference"
time = "1 day"
[sweep]
method = "grid"
[sweep.over]
"network.trim" = ["never", "after programming", "before reading"]
"""


def outcomes(study_file: Write) -> list[Outcome]:
    study = load_specification(study_file(STUDY))
    assert study.design is not None
    return [
        evaluate(Job(str(n), study.content, study.design.values(n), study.counts, str(study.folder))) for n in range(3)
    ]


def test_gains_and_offsets_are_of_the_moment_they_are_found(study_file: Write) -> None:
    """Phase-change cells have lost a third of their conductance after a day (nu = 0.05, t / t_0 = 4320): gains that are
    found then make up for it, gains from right after programming do not."""
    never, after, before = outcomes(study_file)
    assert [each.failure for each in (never, after, before)] == [None] * 3
    assert before.losses.mean() < after.losses.mean()
    assert before.losses.mean() < never.losses.mean()
    assert not np.array_equal(never.losses, after.losses)
