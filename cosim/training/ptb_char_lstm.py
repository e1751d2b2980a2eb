"""Character language model of the Penn Treebank: one LSTM layer over one-hot characters, in real arithmetic.

The training text is cut into as many streams as a batch holds; the state is carried along each, gradients go back
`steps` characters (truncated back-propagation through time). The epoch with the best bits per character of the
validation text is taken, which is read in as many streams. The test text is one stream from the zero state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cosim.datasets.ptb import load_ptb
from cosim.errors import CosimError
from cosim.training.hardware import Schedule
from cosim.training.modules import LstmLanguageModel
from cosim.training.outcome import Arrays, Outcome, Told, joint_checksum

BITS = 1 / math.log(2)  # in a nat


@dataclass(frozen=True)
class Recipe:
    """How the language model is trained.

    Attributes
    ----------
    epochs: passes through the training text.
    hidden: LSTM cells.
    batch: streams.
    steps: characters a gradient goes back.
    rate, warm_up: highest learning rate of AdamW, and epochs of its rise.
    weight_decay: of AdamW.
    spread: standard deviation of the input weights at first; 0 for torch's uniform +-1/sqrt(hidden). A character is
        one-hot, so a gate sees one input weight, and torch's spread hardly tells the characters apart.
    dropout: share of the hidden states that the output layer does not see in training.
    clip: limit of the gradient's norm.
    symbols: training characters used, the first ones; 0 for all. Also limits the other texts; for trials.
    """

    epochs: int = 11
    hidden: int = 256
    batch: int = 32
    steps: int = 64
    rate: float = 8e-3
    warm_up: int = 1
    weight_decay: float = 0.004
    spread: float = 1.0
    dropout: float = 0.0
    clip: float = 1.0
    symbols: int = 0


RECIPE = Recipe()


def train(recipe: Recipe, seed: int, device: torch.device, seconds: float | None, told: Told) -> Outcome:
    """Train within `seconds` of wall time (None: no limit). See cosim.training.references for the surroundings."""
    for name in ("hidden", "batch", "steps"):
        if getattr(recipe, name) < 1:
            raise CosimError("must be at least one", key=name, value=getattr(recipe, name), allowed="1 or more")
    if not 0 <= recipe.dropout < 1:
        raise CosimError("not a share", key="dropout", value=recipe.dropout, allowed="0 to below 1")
    texts = {part: load_ptb(part, "char") for part in ("train", "valid", "test")}
    some = recipe.symbols or None
    shown = {part: torch.from_numpy(text.symbols[:some]).long().to(device) for part, text in texts.items()}
    config = {"symbols": len(texts["train"].vocabulary), "hidden": recipe.hidden}
    model = LstmLanguageModel(**config, dropout=recipe.dropout)
    if recipe.spread:
        torch.nn.init.normal_(model.lstm.get_parameter("weight_ih_l0"), std=recipe.spread)
    model.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = Schedule(recipe.epochs, recipe.rate, recipe.warm_up, seconds)
    streams = shown["train"][: len(shown["train"]) // recipe.batch * recipe.batch].reshape(recipe.batch, -1)
    curve: list[dict[str, float]] = []
    best, state = math.inf, model.state_dict()
    while not schedule.finished:
        loss = _epoch(model, optimiser, streams, recipe, schedule)
        valid = bits_per_symbol(model, shown["valid"], recipe.batch)
        schedule.epoch_done()
        row = {
            "epoch": schedule.done,
            "rate": optimiser.param_groups[0]["lr"],
            "training_bits": loss,
            "validation_bits": valid,
            "seconds": schedule.times[-1],
        }
        curve.append(row)
        told(row)
        if valid < best:
            best = valid
            state = {name: value.clone() for name, value in model.state_dict().items()}
        if not loss < 100:  # NaN: more epochs mend nothing
            break

    def measure(arrays: Arrays) -> tuple[float, int]:
        judged = LstmLanguageModel(**config).to(device)
        judged.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return bits_per_symbol(judged, shown["test"]), len(shown["test"]) - 1

    return Outcome(
        arrays={name: value.cpu().numpy().copy() for name, value in state.items()},
        config=config,
        scaling=None,
        dataset="ptb_char",
        checksum=joint_checksum(*(text.checksum for text in texts.values())),
        metric="bits_per_symbol",
        measure=measure,
        curve=curve,
        facts={
            "validation_bits": best,
            "vocabulary": "sorted, <eos> first",
            "training_symbols": streams.numel(),
            **schedule.facts(),
        },
    )


def _epoch(
    model: LstmLanguageModel, optimiser: torch.optim.AdamW, streams: Tensor, recipe: Recipe, schedule: Schedule
) -> float:
    """One pass through the streams (batch, length); returns the mean bits per character while learning."""
    model.train()
    state, total, count = None, streams.new_zeros((), dtype=torch.float32), 0
    length = streams.shape[1] - 1
    for start in range(0, length, recipe.steps):
        window = streams[:, start : start + recipe.steps + 1]
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(start / length)
        logits, state = model(window[:, :-1], state)
        state = tuple(each.detach() for each in state)
        loss = cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        total += loss.detach() * (window.shape[1] - 1)
        count += window.shape[1] - 1
    return float(total) / count * BITS


@torch.no_grad()
def bits_per_symbol(model: LstmLanguageModel, symbols: Tensor, streams: int = 1, piece: int = 10_000) -> float:
    """Mean -log2 p of the symbols, each stream of the text read from the zero state, in float32.

    A stream's first symbol is given, not predicted; a rest that fills no stream is left out. `piece`: symbols of a
    stream that are read at once.
    """
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model.eval()
    text = symbols[: len(symbols) // streams * streams].reshape(streams, -1)
    state, total = None, symbols.new_zeros((), dtype=torch.float64)
    try:
        for start in range(0, text.shape[1] - 1, max(piece // streams, 1)):
            window = text[:, start : start + max(piece // streams, 1) + 1]
            logits, state = model(window[:, :-1], state)
            total += cross_entropy(logits.flatten(0, 1).double(), window[:, 1:].flatten(), reduction="sum")
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
    return float(total) / (text.numel() - streams) * BITS
