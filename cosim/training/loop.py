"""The training loop. Imports torch at once, so it is itself imported only when training starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from cosim.datasets.digits import Digits
from cosim.training.model import TrainingHardware, TrainingLstm
from cosim.training.recipe import VALIDATION_DRAWS, Recipe


def fit(
    model: TrainingLstm,
    images: Digits,
    validation: Digits,
    recipe: Recipe,
    w_max: float,
    hardware: TrainingHardware | None,
    generator: torch.Generator,
    progress: Callable[[int], object],
) -> dict[str, Any]:
    """Train `model` in place and leave it as it was in the best of its last epochs: that of least validation loss.

    Under `hardware` the loss is the mean over a few chips, the same ones for every epoch. Returns "best_epoch" and
    "validation_loss".
    """
    sequences, labels = tensors(images)
    steps = math.ceil(len(images) / recipe.batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.epochs * steps, pct_start=0.1
    )
    best: dict[str, Any] = {"best_epoch": recipe.epochs, "validation_loss": math.inf}
    state: dict[str, Tensor] = {}
    for epoch in range(1, recipe.epochs + 1):
        for places in torch.randperm(len(images), generator=generator).split(recipe.batch):
            shown = augment(sequences[places], recipe, generator)
            logits, excess = model(shown, hardware, generator)
            loss = cross_entropy(logits, labels[places]) + recipe.headroom * excess
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            model.clip(w_max)
        if epoch > recipe.epochs * (1 - recipe.judged):
            judged = validation_loss(model, validation, hardware)
            if judged < best["validation_loss"]:
                best = {"best_epoch": epoch, "validation_loss": judged}
                state = {name: value.clone() for name, value in model.state_dict().items()}
        progress(1)
    if state:
        model.load_state_dict(state)
    return best


def validation_loss(model: TrainingLstm, validation: Digits, hardware: TrainingHardware | None) -> float:
    """Mean cross-entropy of the validation images, under `hardware` over the same few chips at each call."""
    sequences, labels = tensors(validation)
    chips = torch.Generator().manual_seed(0)
    draws = VALIDATION_DRAWS if hardware is not None else 1
    with torch.no_grad():
        losses = [cross_entropy(model(sequences, hardware, chips)[0], labels) for _ in range(draws)]
    return float(torch.stack(losses).mean())


def accuracies_under_error(
    model: TrainingLstm, images: Digits, hardware: TrainingHardware, draws: int, seed: int
) -> list[float]:
    """Accuracy on quantised hardware with programming error of the weights, for each of `draws` chips."""
    sequences, labels = tensors(images)
    chips = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        answers = [model(sequences, hardware, chips)[0].argmax(dim=1) for _ in range(draws)]
    return [float((answer == labels).double().mean()) for answer in answers]


def augment(sequences: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Images (n, rows, columns), a share of them moved by up to one pixel, with noise on the pixels."""
    count, rows, columns = sequences.shape
    moves = torch.randint(0, 3, (2, count), generator=generator)
    still = torch.rand(count, generator=generator) >= recipe.shifted
    moves[:, still] = 1
    down = (torch.arange(rows) + moves[0][:, None])[:, :, None]
    across = (torch.arange(columns) + moves[1][:, None])[:, None, :]
    moved = pad(sequences, (1, 1, 1, 1))[torch.arange(count)[:, None, None], down, across]
    noise = torch.randn(moved.shape, generator=generator)
    return (moved + recipe.pixel_noise * noise).clamp(0, 1)


def tensors(images: Digits) -> tuple[Tensor, Tensor]:
    """(sequences, labels) for torch."""
    return torch.from_numpy(images.sequences), torch.from_numpy(images.labels)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread while the block runs: sums come in one order, so results repeat; and at this size it is fastest."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
