"""Cross-checks against ngspice that lie with a study: `crosschecks/NAME.json`, and their decks in `crosschecks/NAME/`.

    cosim crosscheck NETWORK --layer L --output STUDY_results/crosschecks/NAME.json \\
        --decks STUDY_results/crosschecks/NAME
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.reports.study_downloads import LARGEST_ARCHIVE, LARGEST_ARCHIVES, Download, archive, download

FOLDER = "crosschecks"
REQUIRED = ("network", "layer", "conversions", "equal", "interval", "largest", "parts", "decks", "accuracy", "hardware")
MOST_HASHES = 60  # deck hashes that the page prints; the report, which is in the page, has all


@dataclass(frozen=True)
class Crosscheck:
    """One cross-check.

    Attributes
    ----------
    name: of its files. found: what `cosim crosscheck` wrote.
    report: the same as a file inside the page; None where it is too large.
    decks: the decks as an archive inside the page; None where they were not kept, or the page is full.
    count: decks that were kept.
    """

    name: str
    found: Mapping[str, Any]
    report: Download | None
    decks: Download | None
    count: int

    @property
    def called(self) -> str:
        return f"{self.found['layer']} of {self.found['network']}"

    @property
    def hashes(self) -> Sequence[str]:
        """Keys of all decks: sha256 over text, simulator and solver."""
        return list(self.found["decks"].get("keys", []))

    @property
    def hardware(self) -> str:
        """What it was run on, in words."""
        told = []
        for name, value in self.found["hardware"].items():
            if isinstance(value, Mapping):
                told += [f"{inner} = {each}" for inner, each in value.items()]
            elif value is not None:
                told.append(f"{name.replace('_', ' ')} {value}")
        return ", ".join(told)


def crosschecks_of(folder: Path) -> tuple[list[Crosscheck], list[str]]:
    """The cross-checks in a study's folder, and what is wrong with files that are none."""
    found, notes, room = [], [], LARGEST_ARCHIVES
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            text = path.read_bytes()
            content = json.loads(text)
        except (OSError, ValueError) as error:
            notes.append(f"{FOLDER}/{path.name} cannot be read: {error}.")
            continue
        missing = [name for name in REQUIRED if not isinstance(content, dict) or name not in content]
        if missing:
            notes.append(f"{FOLDER}/{path.name} is no report of a cross-check: it has no '{missing[0]}'.")
            continue
        decks = {f"{path.stem}/{each.name}": each for each in path.with_suffix("").glob("*.cir")}
        packed = None
        if decks and room > 0:
            packed = archive(f"{path.stem}_decks.zip", decks, min(room, LARGEST_ARCHIVE))
            room -= packed.size
        report = download(path.name, text, "application/json")
        found.append(Crosscheck(path.stem, content, report, packed, len(decks)))
    return found, notes
