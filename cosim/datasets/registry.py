"""The data sets by name: where they come from, whether they are here, whether they are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cosim.datasets import cifar10, digits, fsdd, har, ptb, speech_commands
from cosim.datasets.sources import Source, fetch, present
from cosim.errors import CosimError, did_you_mean


@dataclass(frozen=True)
class Entry:
    """A data set.

    Attributes
    ----------
    what: one line.
    sources: layouts it may have, the one that is downloaded first; none where it comes with a package.
    parts: name of a part -> loads it whole, with all checks.
    """

    what: str
    sources: tuple[Source, ...]
    parts: dict[str, Callable[[], Any]]


DATASETS: dict[str, Entry] = {
    "digits": Entry(
        "1,797 handwritten digits of 8x8 pixels; comes with scikit-learn",
        (),
        {"train": lambda: digits.load_digits("train"), "test": lambda: digits.load_digits("test")},
    ),
    "har": Entry(
        "UCI HAR: six activities, 9 channels x 128 samples of a smartphone's sensors",
        (har.SOURCE,),
        {"train": lambda: har.load_har("train"), "test": lambda: har.load_har("test")},
    ),
    "ptb": Entry(
        "Penn Treebank in Mikolov's preparation, 10,000 words or 50 characters",
        (ptb.SOURCE,),
        {
            "word/train": lambda: ptb.load_ptb("train", "word"),
            "word/valid": lambda: ptb.load_ptb("valid", "word"),
            "word/test": lambda: ptb.load_ptb("test", "word"),
            "char/train": lambda: ptb.load_ptb("train", "char"),
            "char/valid": lambda: ptb.load_ptb("valid", "char"),
            "char/test": lambda: ptb.load_ptb("test", "char"),
        },
    ),
    "fsdd": Entry(
        "Free Spoken Digit Dataset: 3,000 recordings at 8 kHz, as 40 MFCC",
        (fsdd.SOURCE,),
        {"train": lambda: fsdd.load_fsdd("train"), "test": lambda: fsdd.load_fsdd("test")},
    ),
    "cifar10": Entry(
        "CIFAR-10: 60,000 colour images of 32x32 pixels, ten classes",
        (cifar10.BINARY, cifar10.PYTHON),
        {"train": lambda: cifar10.load_cifar10("train"), "test": lambda: cifar10.load_cifar10("test")},
    ),
    "speech_commands": Entry(
        "Speech Commands v0.02: twelve classes, recordings of a second at 16 kHz, as 40 MFCC",
        (speech_commands.SOURCE,),
        {
            "train": lambda: speech_commands.load_speech_commands("train"),
            "validation": lambda: speech_commands.load_speech_commands("validation"),
            "test": lambda: speech_commands.load_speech_commands("test"),
        },
    ),
}


def entry(name: str) -> Entry:
    """The data set of that name, or CosimError with the nearest."""
    if name not in DATASETS:
        raise CosimError(f"no such data set.{did_you_mean(name, DATASETS)}", value=name, allowed=DATASETS)
    return DATASETS[name]


def describe() -> list[dict[str, Any]]:
    """Each data set: "name", "what", "here" (its folder, "scikit-learn", or None), "url", "megabytes", "checksum",
    "checksum_from", "licence", "parts"."""
    return [_described(name, each) for name, each in DATASETS.items()]


def _described(name: str, each: Entry) -> dict[str, Any]:
    here = next((str(folder) for folder in map(present, each.sources) if folder), None)
    row: dict[str, Any] = {"name": name, "what": each.what, "here": here, "parts": list(each.parts)}
    if not each.sources:
        return {**row, "here": "scikit-learn", "url": None}
    first = each.sources[0]
    return {
        **row,
        "url": first.url,
        "megabytes": first.megabytes,
        "checksum": first.checksum,
        "checksum_from": first.checksum_from,
        "licence": first.licence,
    }


def get(name: str) -> str:
    """Where the data set is, downloaded where it was not on this machine."""
    sources = entry(name).sources
    if not sources:
        return "scikit-learn"
    found = next((folder for folder in map(present, sources) if folder), None)
    return str(found or fetch(sources[0]))


def check(name: str) -> dict[str, Any]:
    """Load every part with all checks; nothing is downloaded.

    Returns "name", "here" (None: it is not on this machine), "whole", "error" (the first, or None) and "parts": part
    -> number of examples or symbols and the files' checksum.
    """
    row: dict[str, Any] = {**_described(name, entry(name)), "whole": False, "error": None, "parts": {}}
    row = {key: row[key] for key in ("name", "here", "whole", "error", "parts")}
    if row["here"] is None:
        row["error"] = f"not on this machine; the cure: cosim data fetch {name}, or COSIM_DATA"
        return row
    try:
        for part, load in entry(name).parts.items():
            loaded = load()
            row["parts"][part] = {"count": len(loaded), "checksum": getattr(loaded, "checksum", None)}
    except CosimError as error:
        row["error"] = str(error)
    row["whole"] = row["error"] is None
    return row
