"""Parts of data sets: the arrays, and what is common to all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of

PARTS = ("train", "test")


@dataclass(frozen=True)
class Part:
    """Labelled examples.

    Attributes
    ----------
    inputs: shape (n, ...), one example a row; the loader says dimensions, type and unit.
    labels: int64, shape (n,): place in `classes`.
    classes: names of the classes.
    groups: int64, shape (n,): who or what the example comes from (subject, speaker); examples of one group are alike,
        so a validation part is cut between groups where there are several.
    name: which part this is, e.g. "har/test".
    rule: how the parts were made.
    checksum: of the files it was read from, see `checksum_of`.
    """

    inputs: NDArray
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: NDArray[np.int64]
    name: str
    rule: str
    checksum: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: NDArray[np.int64], name: str) -> Part:
        """The examples at `places` (shape (m,), positions within this part), under a new name."""
        return Part(
            self.inputs[places],
            self.labels[places],
            self.classes,
            self.groups[places],
            name,
            self.rule,
            self.checksum,
        )


@dataclass(frozen=True)
class Text:
    """A text as symbols.

    Attributes
    ----------
    symbols: int32, shape (n,): place in `vocabulary`, in the order of the text.
    vocabulary: the words or characters; "<eos>" ends a sentence.
    name, rule, checksum: as in Part.
    """

    symbols: NDArray[np.int32]
    vocabulary: tuple[str, ...]
    name: str
    rule: str
    checksum: str

    def __len__(self) -> int:
        return len(self.symbols)


def checked_part(part: str, allowed: Iterable[str] = PARTS) -> str:
    """The name of a part, or CosimError with the nearest."""
    known = list(allowed)
    if part not in known:
        raise CosimError(
            f"no such part of the data set.{did_you_mean(str(part), known)}", key="part", value=part, allowed=known
        )
    return part


def checksum_of(files: Iterable[Path]) -> str:
    """sha256 over the names and contents of files, in the order of their names; where they lie does not count."""
    lines = sorted(f"{path.name} {sha256_of(path)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def require_files(files: Iterable[Path], cure: str) -> None:
    """CosimError that names the first of the missing files, how many are missing, and the cure."""
    missing = [path for path in files if not path.is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise CosimError(f"this file of the data set is missing{more}; {cure}", file=missing[0])


def held_out(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rest, held out): positions, ascending; of every class the same share, drawn by the raw words of PCG64(seed)."""
    from cosim.datasets.digits import stratified_split

    drawn, rest = stratified_split(labels, share, seed)
    return rest, drawn


def held_out_groups(groups: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rest, held out): positions, ascending; whole groups, rint(share x their number), at least one.

    Drawn are those with the smallest raw words of PCG64(seed). Raises CosimError for a single group.
    """
    known = np.unique(groups)
    if len(known) < 2:
        raise CosimError("a part of one group cannot be cut between groups", key="groups", value=len(known))
    words = np.random.PCG64(seed).random_raw(len(known))
    count = min(max(round(share * len(known)), 1), len(known) - 1)
    drawn = np.isin(groups, known[np.argsort(words, kind="stable")[:count]])
    return np.flatnonzero(~drawn).astype(np.int64), np.flatnonzero(drawn).astype(np.int64)
