"""Training of an LSTM classifier of sequences in real arithmetic: what HAR and FSDD have in common.

All training examples are learnt and the weights of the last epoch are taken; the recipes' numbers come from trials,
which keep some of the training examples apart and leave the test part unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from cosim.datasets.parts import Part
from cosim.errors import CosimError
from cosim.networks.reference import InputScaling
from cosim.training.hardware import Schedule
from cosim.training.modules import POOLINGS, LstmClassifier
from cosim.training.outcome import Arrays, Outcome, Told, joint_checksum

CLIP = 1.0  # the converters' full scale; CLIP is SIGMAS standard deviations of a channel, unless said otherwise
SIGMAS = 3.0

Positions = NDArray[np.int64]
Split = Callable[[Part], tuple[Positions, Positions] | None]
Variation = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained (AdamW, gradients limited to norm 1, cosine to zero).

    Attributes
    ----------
    epochs: passes through the training examples.
    hidden: LSTM cells.
    batch: sequences in a step.
    rate, warm_up: highest learning rate, and epochs of its rise.
    weight_decay: of AdamW.
    dropout: share of the pooled hidden state that the output layer does not see in training.
    pooling: what the output layer sees: 0 the last hidden state, 1 the mean over all steps.
    noise: standard deviation of noise on the inputs (full scale 1).
    shift: sequences are rotated in time by up to so many steps.
    smoothing: label smoothing.
    held_out: share of the training examples that is kept apart: a trial, which does not measure the test part.
    """

    epochs: int
    hidden: int
    batch: int = 64
    rate: float = 5e-3
    warm_up: int = 2
    weight_decay: float = 0.01
    dropout: float = 0.2
    pooling: int = 0
    noise: float = 0.05
    shift: int = 0
    smoothing: float = 0.05
    held_out: float = 0.0


def scaling_of(inputs: NDArray[np.float32], sigmas: float | NDArray[np.float64] = SIGMAS) -> InputScaling:
    """Of each channel (the last dimension) `sigmas` standard deviations become full scale; beyond it is clipped.

    `sigmas`: one number, or one a channel.
    """
    values = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    if not np.all(spread > 0):
        raise CosimError("a channel of the training inputs is constant", key="channel", value=int(np.argmin(spread)))
    return InputScaling(tuple(mean.tolist()), tuple((sigmas * spread).tolist()), axis=-1, clip=CLIP)


def train_classifier(
    load: Callable[[str], Part],
    split: Split,
    dataset: str,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    seconds: float | None,
    told: Told,
    vary: Variation | None = None,
    sigmas: float | NDArray[np.float64] = SIGMAS,
) -> Outcome:
    """Train within `seconds` of wall time (None: no limit).

    split: training part -> positions (rest, held out) of a trial, or None where all of it is learnt. vary: changes
    training sequences (batch, steps, channels) in the data set's units, anew each time they are shown. sigmas: see
    `scaling_of`.
    """
    _check(recipe)
    part, test = load("train"), load("test")
    validation: Part | None = None
    places = split(part)
    if places is not None:
        rest, apart = places
        validation, part = part.take(apart, f"{dataset}/validation"), part.take(rest, f"{dataset}/fit")
    scaling = scaling_of(part.inputs, sigmas)
    examples = _Examples.on(device, part, scaling, vary)
    config: dict[str, Any] = {"inputs": part.inputs.shape[2], "hidden": recipe.hidden, "classes": len(part.classes)}
    config["pooling"] = POOLINGS[recipe.pooling]
    model = LstmClassifier(**config, dropout=recipe.dropout).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = Schedule(recipe.epochs, recipe.rate, recipe.warm_up, seconds)
    generator = torch.Generator(device).manual_seed(seed)
    curve: list[dict[str, float]] = []
    while not schedule.finished:
        row = _epoch(model, optimiser, examples, recipe, schedule, generator)
        if validation is not None:
            row["validation_accuracy"] = accuracy(model, *_on(device, validation, scaling))
        schedule.epoch_done()
        row = {"epoch": schedule.done, **row, "seconds": schedule.times[-1]}
        curve.append(row)
        told(row)
        if not row["loss"] < 100:  # NaN: more epochs mend nothing
            break

    def measure(arrays: Arrays) -> tuple[float, int]:
        judged = LstmClassifier(**config).to(device)
        judged.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return accuracy(judged, *_on(device, test, scaling)), len(test)

    facts: dict[str, Any] = {"training_examples": len(part), **schedule.facts()}
    if validation is not None:
        facts["validation_accuracy"] = curve[-1]["validation_accuracy"]
    return Outcome(
        arrays={name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()},
        config=config,
        scaling=scaling,
        dataset=dataset,
        checksum=joint_checksum(part.checksum, test.checksum),
        metric="accuracy",
        measure=None if validation is not None else measure,
        curve=curve,
        facts=facts,
    )


@dataclass
class _Examples:
    """Training sequences (n, steps, channels) in the data set's units on the device, and how they become inputs."""

    sequences: Tensor
    labels: Tensor
    mean: Tensor
    scale: Tensor
    vary: Variation | None

    @classmethod
    def on(cls, device: torch.device, part: Part, scaling: InputScaling, vary: Variation | None) -> _Examples:
        sequences, labels = torch.from_numpy(part.inputs).to(device), torch.from_numpy(part.labels).to(device)
        mean, scale = (torch.tensor(each, dtype=torch.float32, device=device) for each in (scaling.mean, scaling.scale))
        return cls(sequences, labels, mean, scale, vary)

    def shown(self, some: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
        """Inputs of the examples at `some`, varied."""
        sequences = self.sequences[some]
        if self.vary is not None:
            sequences = self.vary(sequences, generator)
        return _varied(((sequences - self.mean) / self.scale).clamp(-CLIP, CLIP), recipe, generator)


def _check(recipe: Recipe) -> None:
    for name in ("hidden", "batch"):
        if getattr(recipe, name) < 1:
            raise CosimError("must be at least one", key=name, value=getattr(recipe, name), allowed="1 or more")
    for name in ("dropout", "held_out", "smoothing"):
        if not 0 <= getattr(recipe, name) < 1:
            raise CosimError("not a share", key=name, value=getattr(recipe, name), allowed="0 to below 1")
    if recipe.pooling >= len(POOLINGS):
        raise CosimError("no such pooling", key="pooling", value=recipe.pooling, allowed="0 (last state), 1 (mean)")


def _on(device: torch.device, part: Part, scaling: InputScaling) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(scaling.apply(part.inputs)).to(device), torch.from_numpy(part.labels).to(device)


def _epoch(
    model: LstmClassifier,
    optimiser: torch.optim.AdamW,
    examples: _Examples,
    recipe: Recipe,
    schedule: Schedule,
    generator: torch.Generator,
) -> dict[str, float]:
    """One pass through the examples; the rate at its end, mean loss and accuracy while learning."""
    model.train()
    labels = examples.labels
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    loss_sum, right, rate = examples.mean.new_zeros(()), labels.new_zeros(()), 0.0
    for start in range(0, len(order), recipe.batch):
        rate = schedule.rate(start / len(order))
        for group in optimiser.param_groups:
            group["lr"] = rate
        some = order[start : start + recipe.batch]
        logits = model(examples.shown(some, recipe, generator))
        loss = cross_entropy(logits, labels[some], label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss_sum += loss.detach() * len(some)
        right += (logits.detach().argmax(dim=1) == labels[some]).sum()
    return {"rate": rate, "loss": float(loss_sum) / len(order), "accuracy": int(right) / len(order)}


def _varied(sequences: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Sequences (batch, steps, inputs) with noise, rotated in time, within full scale."""
    count, steps, _ = sequences.shape
    if recipe.shift:
        moves = torch.randint(-recipe.shift, recipe.shift + 1, (count, 1), generator=generator, device=sequences.device)
        places = (torch.arange(steps, device=sequences.device) + moves) % steps
        sequences = sequences[torch.arange(count, device=sequences.device)[:, None], places]
    if recipe.noise:
        sequences = sequences + recipe.noise * torch.randn(
            sequences.shape, generator=generator, device=sequences.device
        )
    return sequences.clamp(-CLIP, CLIP)


@torch.no_grad()
def accuracy(model: LstmClassifier, inputs: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Share of right answers, in float32."""
    model.eval()
    answers = torch.cat([model(some).argmax(dim=1) for some in inputs.split(batch)])
    return float((answers == labels).double().mean())
