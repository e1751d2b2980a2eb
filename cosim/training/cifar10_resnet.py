"""CIFAR-10 ResNet in real arithmetic (He et al.'s CIFAR form).

All 50,000 training images are learnt and the weights of the last epoch are taken: nothing is chosen by the data, so
no validation part is needed. The recipe is the usual one of the literature (momentum 0.9 with Nesterov's step, weight
decay 5e-4, rate 0.1 at batch 128, cosine to zero; random crops of images padded by 4, mirrored), not searched for.
`held_out` makes a trial of other numbers: a share of the training images is kept apart, and the test part unseen.

On a GPU convolutions run in bfloat16 (weights and sums in float32), and each step is one CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cosim.datasets.cifar10 import load_cifar10
from cosim.datasets.parts import held_out
from cosim.errors import CosimError
from cosim.networks.reference import InputScaling
from cosim.training.hardware import Schedule
from cosim.training.modules import CifarResNet
from cosim.training.outcome import Arrays, Outcome, Told, joint_checksum
from cosim.training.resnet_loop import Images, Stepper, right_answers, run_epochs

SPLIT_SEED = 20261127


@dataclass(frozen=True)
class Recipe:
    """How the ResNet is trained.

    Attributes
    ----------
    epochs: passes through the training images.
    depth, width: of the network; width multiplies 16, 32 and 64 channels.
    batch: images in a step.
    rate: highest learning rate.
    warm_up: epochs over which it rises.
    momentum, weight_decay: of the descent.
    held_out: share of the training images that is kept apart: a trial, which does not measure the test part.
    images: training images used, the first of each shuffle; 0 for all. For trials.
    """

    epochs: int = 200
    depth: int = 32
    width: float = 1.0
    batch: int = 128
    rate: float = 0.1
    warm_up: int = 5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    held_out: float = 0.0
    images: int = 0


RECIPE = Recipe()


def train(recipe: Recipe, seed: int, device: torch.device, seconds: float | None, told: Told) -> Outcome:
    """Train within `seconds` of wall time (None: no limit). See cosim.training.references for the surroundings."""
    if not 0 <= recipe.held_out < 1:
        raise CosimError("not a share", key="held_out", value=recipe.held_out, allowed="0 to below 1")
    if recipe.batch < 1:
        raise CosimError("a batch holds at least one image", key="batch", value=recipe.batch, allowed="1 or more")
    part, test = load_cifar10("train"), load_cifar10("test")
    mean, scale = colour_statistics(part.inputs)
    scaling = InputScaling(tuple(mean), tuple(scale), axis=-3)
    validation = None
    if recipe.held_out:
        rest, apart = held_out(part.labels, recipe.held_out, SPLIT_SEED)
        validation, part = part.take(apart, "cifar10/validation"), part.take(rest, "cifar10/fit")
    generator = torch.Generator(device).manual_seed(seed)
    if recipe.images:
        some = torch.randperm(len(part), generator=torch.Generator().manual_seed(seed))[: recipe.images].numpy()
        part = part.take(some, "cifar10/some")
    if len(part) < recipe.batch:
        raise CosimError(
            "fewer images than a batch holds", key="batch", value=recipe.batch, allowed=f"1 to {len(part)}"
        )
    config: dict[str, Any] = {"depth": recipe.depth, "width": recipe.width, "classes": len(part.classes)}
    model = CifarResNet(**config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = Images.on(device, part.inputs, part.labels, mean, scale)
    step = Stepper(
        model,
        recipe.batch,
        images.inputs(torch.zeros(1, dtype=torch.int64, device=device)),
        recipe.momentum,
        recipe.weight_decay,
    )
    schedule = Schedule(recipe.epochs, recipe.rate, recipe.warm_up, seconds)
    curve = run_epochs(step, images, schedule, generator, told)
    facts: dict[str, Any] = {"shortcuts": "option A", "cuda_graph": step.graphed, "training_images": len(part)}
    facts |= schedule.facts()
    if validation is not None:
        shown = Images.on(device, validation.inputs, validation.labels, mean, scale)
        facts["validation_accuracy"] = float(right_answers(model, shown).double().mean())

    def measure(arrays: Arrays) -> tuple[float, int]:
        judged = CifarResNet(**config)
        judged.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        judged.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shown = Images.on(device, test.inputs, test.labels, mean, scale)
        return float(right_answers(judged, shown).double().mean()), len(test)

    return Outcome(
        arrays={name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()},
        config=config,
        scaling=scaling,
        dataset="cifar10",
        checksum=joint_checksum(part.checksum, test.checksum),
        metric="accuracy",
        measure=None if validation is not None else measure,
        curve=curve,
        facts=facts,
    )


def colour_statistics(images: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour, in grey levels; images (n, 3, rows, columns), counted by level."""
    levels = np.arange(256)
    counts = np.array([np.bincount(images[:, colour].ravel(), minlength=256) for colour in range(3)])
    mean = counts @ levels / counts.sum(axis=1)
    variance = (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    return mean.tolist(), np.sqrt(variance).tolist()
