"""The numbers of a training: how long, how fast, in which window, with how much noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cosim.networks.weights import Form

# Window of the weights. On three folds of the training images the accuracy at 5 bits under programming error was the
# same for 1.0, 1.5 and 2.0 (98.8 %) and a point lower at 0.7, whose float network is worse too. Of those, 2.0 gives the
# longest input pulses for the same ramp.
W_MAX = 2.0

# Programming error of a weight as a share of w_max: two cells of 2.67 uS each in a window of 149 uS.
WEIGHT_NOISE = math.sqrt(2) * 2.67 / 149

# A quarter beyond the last threshold of a 5-bit ramp (3.43, 1.72): a MAC result further out says nothing more, and
# would only need a wider swing of the integrators.
MAC_LIMITS = {"sigmoid": 4.3, "tanh": 2.15}

NOISE_DRAWS = 20  # chips in a report's accuracy under programming error
VALIDATION_DRAWS = 8  # chips that an epoch is judged on


@dataclass(frozen=True)
class Recipe:
    """How long and how to train.

    Attributes
    ----------
    epochs: passes through the training images.
    learning_rate: peak of a one-cycle schedule (AdamW).
    pixel_noise: standard deviation of noise on the pixels, full scale 1.
    shifted: share of images moved by up to one pixel in each direction.
    batch: images in a step.
    weight_decay: of AdamW.
    headroom: weight in the loss of MAC results beyond MAC_LIMITS.
    judged: share of the epochs, the last ones, that the validation images choose from; the rate is low there.
    """

    epochs: int
    learning_rate: float
    pixel_noise: float = 0.0
    shifted: float = 0.8
    batch: int = 64
    weight_decay: float = 0.01
    headroom: float = 10.0
    judged: float = 1 / 3


RECIPES: dict[Form, Recipe] = {
    "float": Recipe(epochs=240, learning_rate=0.02, pixel_noise=0.1),
    "qat": Recipe(epochs=120, learning_rate=0.01),
}
