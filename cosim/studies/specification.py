"""A study's file: read, and checked whole before anything runs.

    schema = "cosim.study/1"
    title = "Bits and read noise of the digits LSTM"
    seed = 1
    chips = 10
    noise_samples = 1
    test_samples = 200

    [network]
    name = "digits_lstm"

    [tile]                       # and [tile.adc], [tile.crossbar], [device], [models], [nonidealities], [fidelity],
    dac_bits = 5                 # [functions]: what all points share, see `settings`

    [sweep]                      # see `sweep`
    method = "grid"

Every fault is told in one message, each with its line, key, value, what is allowed, and the nearest valid key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cosim.errors import CosimError
from cosim.provenance import canonical_json, sha256_of_json
from cosim.studies.faults import as_written, told
from cosim.studies.meaning import combination_faults, derived_settings, meaning_faults, parameter_faults, without
from cosim.studies.settings import (
    ELSEWHERE,
    TABLES,
    Settings,
    known_names,
    plain_value,
    settings_of,
    with_values,
)
from cosim.studies.sources import Counts
from cosim.studies.sweep import Axis, Design, Sweep
from cosim.studies.sweep_reading import count_faults, design_of, sweep_of, swept
from cosim.validation import examined, read_toml

SCHEMA = "cosim.study/1"


class StudyFile(Settings):
    """The tables of a study's file but for `sweep`."""

    schema_: Literal["cosim.study/1"] = Field(alias="schema")
    title: str = Field("", description="what the study asks, in words")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="of chips, reads and the drawing of test samples")
    chips: int = Field(10, ge=1, le=100_000, description="drawn a point; the same in all points")
    noise_samples: int = Field(1, ge=1, le=10_000, description="reads of all test samples on each chip")
    test_samples: int | None = Field(
        None, ge=1, description="of the official test part, drawn by the seed; default: all"
    )


@dataclass(frozen=True)
class Specification:
    """A checked study.

    Attributes
    ----------
    path: its file. text: what stands there.
    content: tables that all points share, as in the file.
    counts: chips, noise samples, test samples, seed.
    sweep: as in the file, without its values checked. axes: with them.
    design: the points; of a Pareto search, None.
    """

    path: Path
    text: str
    title: str
    content: Mapping[str, Any]
    counts: Counts
    sweep: Sweep
    axes: tuple[Axis, ...]
    design: Design | None

    @property
    def folder(self) -> Path:
        """Of the study's file, where the files that it names are looked for first."""
        return self.path.resolve().parent

    @property
    def sha256(self) -> str:
        """Over all that the results depend on, but for the files it names: not over comments and title."""
        return sha256_of_json(self._stated(with_sweep=True))

    def base_hash(self) -> str:
        """The same without the sweep: points of two studies that differ in no more are the same points."""
        return sha256_of_json(self._stated(with_sweep=False))

    def _stated(self, *, with_sweep: bool) -> dict[str, Any]:
        counts = vars(self.counts)
        stated = {"schema": SCHEMA, "content": self.content, "counts": counts}
        return stated | {"sweep": self.sweep.model_dump()} if with_sweep else stated

    def settings(self, values: Mapping[str, Any] | None = None) -> Settings:
        """The settings of a point."""
        return settings_of(self.content, values or {}, self.folder)

    def written(self, values: Mapping[str, Any] | None = None) -> Settings:
        """The same with paths as the file has them."""
        return settings_of(self.content, values or {})


def load_specification(path: str | Path) -> Specification:
    """A study's file, checked whole; one CosimError that lists every fault."""
    path = Path(path)
    read_toml(path)  # a file that is no TOML is told by its own message, with its line
    text = path.read_text(encoding="utf-8")
    return parse_specification(text, path)


def parse_specification(text: str, path: Path, *, look_at_files: bool = True) -> Specification:
    """The same from a text; `path` for messages and for the files that it names.

    look_at_files: False reads a study that was checked when it began, wherever its files are now.
    """
    import tomllib

    content = tomllib.loads(text)
    problems: list[CosimError] = []
    sweep_table = content.pop("sweep", {"method": "grid"})
    checked, faults = examined(StudyFile, content)
    problems += faults
    problems += derived_settings(content)
    problems += parameter_faults(content)
    tables = {key: content[key] for key in content if key in TABLES}
    for each in problems:
        if isinstance(each.allowed, list) and each.key:  # keys beside an unknown one: those that can be set
            table = each.key.rpartition(".")[0]
            each.allowed = [name for name in each.allowed if f"{table}.{name}" not in ELSEWHERE]
    sweep, faults = sweep_of(sweep_table)
    problems += faults
    axes, points, written, faults = swept(sweep_table)
    problems += faults
    problems += count_faults(sweep, axes)
    sound = without(tables, [each.key for each in problems if each.key])
    if look_at_files:
        problems += meaning_faults(sound, axes, points, written, path)
    for each in problems:
        each.value = as_written(content, each)
    if problems:
        raise told(problems, text, path)
    assert checked is not None and sweep is not None
    counts = Counts(checked.chips, checked.noise_samples, checked.test_samples, checked.seed)
    design = design_of(sweep, axes, points, counts.seed)
    made = Specification(path, text, checked.title, tables, counts, sweep, axes, design)
    if design is not None and look_at_files and (faults := list(combination_faults(tables, design))):
        raise told(faults, text, path)
    return made


def extended(specification: Specification, values: Mapping[str, Any]) -> Specification:
    """The study with other shared settings, e.g. for a trial."""
    return replace(specification, content=with_values(specification.content, values))


def point_key(base_hash: str, values: Mapping[str, Any]) -> str:
    """Name of a point's result: sha256 over the study's shared part and the point's own values."""
    plain_values = {name: plain_value(value) for name, value in values.items()}
    return sha256_of_json({"base": base_hash, "values": plain_values})


__all__ = [
    "SCHEMA",
    "Specification",
    "canonical_json",
    "extended",
    "known_names",
    "load_specification",
    "parse_specification",
    "point_key",
]
