"""Smartphone activities (UCI HAR, raw series) by an LSTM, in real arithmetic; trials hold out whole subjects.

What differs between people and is no sign of an activity is varied in training: how the phone hangs at the waist (all
three axes of all sensors turn together) and how strongly somebody moves (gravity stays).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cosim.datasets.har import CHANNELS, load_har
from cosim.datasets.parts import Part, held_out_groups
from cosim.errors import CosimError
from cosim.training.outcome import Outcome, Told
from cosim.training.sequence_lstm import SIGMAS, Recipe, train_classifier

SPLIT_SEED = 20261127
FOLDS = 5


@dataclass(frozen=True)
class HarRecipe(Recipe):
    """A classifier's recipe, with what is particular to this data set.

    Attributes
    ----------
    rotation: standard deviation of the angle by which the phone is turned, in degrees, about any axis.
    amplitude: standard deviation of the logarithm of the movement's strength.
    gyroscope: full scale of the angular velocity, in standard deviations; the accelerations' is SIGMAS.
    fold: 1 .. FOLDS: a trial that holds out the subjects of this fold; 0 for none.
    """

    rotation: float = 25.0
    amplitude: float = 0.25
    gyroscope: float = 1.0
    fold: int = 0


RECIPE = HarRecipe(epochs=40, hidden=64, weight_decay=0.1, pooling=1, noise=0.01)


def train(recipe: HarRecipe, seed: int, device: torch.device, seconds: float | None, told: Told) -> Outcome:
    """See `train_classifier`."""
    if recipe.fold > FOLDS:
        raise CosimError("no such fold of the subjects", key="fold", value=recipe.fold, allowed=f"0 to {FOLDS}")
    if recipe.fold and recipe.held_out:
        raise CosimError("a trial holds out a fold or a share", key="held_out", value=recipe.held_out, allowed="0")
    if not recipe.gyroscope > 0:
        raise CosimError("full scale is above 0", key="gyroscope", value=recipe.gyroscope, allowed="above 0")

    def split(part: Part) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        if recipe.fold:
            return fold_of(part.groups, recipe.fold)
        return held_out_groups(part.groups, recipe.held_out, SPLIT_SEED) if recipe.held_out else None

    return train_classifier(
        load_har,
        split,
        "har",
        recipe,
        seed,
        device,
        seconds,
        told,
        lambda sequences, generator: as_worn(sequences, recipe.rotation, recipe.amplitude, generator),
        np.array([recipe.gyroscope if "gyro" in channel else SIGMAS for channel in CHANNELS]),
    )


def fold_of(groups: NDArray[np.int64], fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rest, held out): positions; the subjects, in the order of raw words of PCG64, are cut into FOLDS runs."""
    known = np.unique(groups)
    if len(known) < FOLDS:
        raise CosimError("fewer subjects than folds", key="fold", value=fold, allowed=f"0 with {len(known)} subjects")
    order = known[np.argsort(np.random.PCG64(SPLIT_SEED).random_raw(len(known)), kind="stable")]
    drawn = np.isin(groups, np.array_split(order, FOLDS)[fold - 1])
    return np.flatnonzero(~drawn).astype(np.int64), np.flatnonzero(drawn).astype(np.int64)


def as_worn(sequences: Tensor, rotation: float, amplitude: float, generator: torch.Generator) -> Tensor:
    """Windows (n, steps, 9) in the order of CHANNELS, as a phone worn otherwise by another person would record them.

    The movement (body acceleration, angular velocity) is exp(amplitude N(0, 1)) times as strong; the total
    acceleration changes by the body's alone, so gravity stays. Then all three vectors are turned together by
    rotation N(0, 1) degrees about an axis uniform on the sphere (Rodrigues' formula).
    """
    count, steps, _ = sequences.shape
    device = sequences.device
    body, gyro, total = sequences.split(3, dim=2)
    strength = torch.exp(amplitude * torch.randn(count, 1, 1, generator=generator, device=device))
    vectors = torch.stack([strength * body, strength * gyro, total + (strength - 1) * body], dim=2)
    axis = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, device=device), dim=1)
    angle = math.radians(rotation) * torch.randn(count, 1, 1, generator=generator, device=device)
    cross = torch.linalg.cross(torch.eye(3, device=device).expand(count, 3, 3), axis[:, None].expand(count, 3, 3))
    turn = torch.eye(3, device=device) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)
    return (vectors.reshape(count, -1, 3) @ turn).reshape(count, steps, 9)
