"""The handwritten digits that come with scikit-learn, read row by row.

1797 images of 8x8 pixels with 17 grey levels (0-16) and ten classes: the test part of "Optical Recognition of
Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, doi 10.24432/C50P49).
They lie on disk with scikit-learn, so nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean

Split = Literal["test", "train", "all"]

SPLIT_SEED = 20250129  # every result is about the test part this gives; never change it
TEST_SHARE = 1 / 3
VALIDATION_SHARE = 1 / 6  # of the training part
PIXEL_FULL_SCALE = 16.0

SPLIT_RULE = f"stratified, one third for test, PCG64 seed {SPLIT_SEED}"


@dataclass(frozen=True)
class Digits:
    """Images as sequences of rows.

    Attributes
    ----------
    sequences: float32, shape (n, 8, 8): image, row (= time step), pixel; full scale 0 .. 1.
    labels: int64, shape (n,): the digit, 0 .. 9.
    indices: int64, shape (n,): the image's place in scikit-learn's file, ascending.
    name: which part this is, e.g. "digits/test".
    rule: how the parts were made.
    """

    sequences: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    name: str
    rule: str = SPLIT_RULE

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: NDArray[np.int64], name: str) -> Digits:
        """The images at `places` (shape (m,), positions within this part), under a new name."""
        return Digits(self.sequences[places], self.labels[places], self.indices[places], name, self.rule)


def load_digits(split: Split = "test") -> Digits:
    """The digits' test part (599 images), training part (1198) or all 1797."""
    if split not in get_args(Split):
        raise CosimError(
            f"no such part of the data set.{did_you_mean(str(split), get_args(Split))}",
            key="split",
            value=split,
            allowed=get_args(Split),
        )
    from sklearn.datasets import load_digits as load_from_sklearn

    bunch = load_from_sklearn()
    everything = Digits(
        sequences=(bunch.images / PIXEL_FULL_SCALE).astype(np.float32),
        labels=bunch.target.astype(np.int64),
        indices=np.arange(len(bunch.target), dtype=np.int64),
        name="digits/all",
    )
    if split == "all":
        return everything
    test, train = stratified_split(everything.labels, TEST_SHARE, SPLIT_SEED)
    return everything.take(test if split == "test" else train, f"digits/{split}")


def validation_split(train: Digits) -> tuple[Digits, Digits]:
    """(fit, validation): the training part cut in two, stratified.

    Weights are fitted on the first; every choice in training is made on the second, none on the test part.
    """
    validation, fit = stratified_split(train.labels, VALIDATION_SHARE, SPLIT_SEED)
    return train.take(fit, f"{train.name}/fit"), train.take(validation, f"{train.name}/validation")


def stratified_split(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the drawn part and of the rest, each ascending.

    Of every class rint(share n_class) images are drawn: those with the smallest raw words of PCG64(seed).
    NumPy keeps the raw stream of a bit generator for good, unlike those of shuffles, so the split outlives
    versions.
    """
    words = np.random.PCG64(seed).random_raw(len(labels))
    drawn = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        count = round(share * len(of_class))
        drawn[of_class[np.argsort(words[of_class], kind="stable")[:count]]] = True
    return np.flatnonzero(drawn).astype(np.int64), np.flatnonzero(~drawn).astype(np.int64)
