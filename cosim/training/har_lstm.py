"""Smartphone activities (UCI HAR, raw series) by an LSTM, in real arithmetic; trials hold out whole subjects."""

from __future__ import annotations

import torch

from cosim.datasets.har import load_har
from cosim.datasets.parts import held_out_groups
from cosim.training.outcome import Outcome, Told
from cosim.training.sequence_lstm import Recipe, train_classifier

SPLIT_SEED = 20261127
RECIPE = Recipe(epochs=40, hidden=64)


def train(recipe: Recipe, seed: int, device: torch.device, seconds: float | None, told: Told) -> Outcome:
    """See `train_classifier`."""
    return train_classifier(
        load_har,
        lambda part, share: held_out_groups(part.groups, share, SPLIT_SEED),
        "har",
        recipe,
        seed,
        device,
        seconds,
        told,
    )
