"""Spoken digits (FSDD, 40 MFCC) by an LSTM of 32 cells, in real arithmetic.

40 inputs and 32 cells make the 72 rows and 128 columns of the keyword-spotting layout of Nature Communications 16,
1136 (2025). Trials hold out the same share of every digit and speaker.
"""

from __future__ import annotations

import torch

from cosim.datasets.fsdd import SPEAKERS, load_fsdd
from cosim.datasets.parts import held_out
from cosim.training.outcome import Outcome, Told
from cosim.training.sequence_lstm import Recipe, train_classifier

SPLIT_SEED = 20261127
RECIPE = Recipe(epochs=80, hidden=32, shift=5)


def train(recipe: Recipe, seed: int, device: torch.device, seconds: float | None, told: Told) -> Outcome:
    """See `train_classifier`."""
    return train_classifier(
        load_fsdd,
        lambda part: (
            held_out(part.labels * len(SPEAKERS) + part.groups, recipe.held_out, SPLIT_SEED)
            if recipe.held_out
            else None
        ),
        "fsdd",
        recipe,
        seed,
        device,
        seconds,
        told,
    )
