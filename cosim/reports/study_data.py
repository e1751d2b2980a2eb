"""A study's results in the form that its page and plots take: settings that were swept, and a row for each point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from cosim.reports.numbers import NBSP, fixed, percent, prefixed_unit, significant

DONE, FAILED, NOT_FINITE, MISSING = "done", "failed", "not finite", "not finished"
STATUS = (DONE, FAILED, NOT_FINITE, MISSING)
SOURCES = {
    "error_chip": "chips",
    "error_read": "noise of reads",
    "error_sample": "test samples",
}
"""Figure -> what that part of the standard error comes from."""

RUNGS = {
    "none": "none",
    "all": "all together",
    "dac_error": "DAC error",
    "ir_drop": "IR drop",
    "adc_noise": "ADC noise",
    "cell_nonlinearity": "cell non-linearity",
}
"""Points of a ladder whose names are not their words."""


@dataclass(frozen=True)
class Setting:
    """A setting that was swept.

    Attributes
    ----------
    name: dotted. unit: SI unit; "" where it is no quantity.
    values: those that occur, numbers in ascending order.
    scale: "linear" or "log" of a range that they were drawn from; "" where they were listed.
    """

    name: str
    unit: str
    values: tuple[Any, ...]
    scale: str = ""

    @property
    def numeric(self) -> bool:
        return all(isinstance(each, int | float) and not isinstance(each, bool) for each in self.values)

    def words(self, value: Any) -> str:
        """A value for people, with its unit."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if value is None or value == "":
            return "default"
        if isinstance(value, int | float) and self.unit == "s" and value >= 100:
            return _long_time(value)
        if isinstance(value, float) and self.unit:
            factor, unit = prefixed_unit(value, self.unit)
            return f"{value / factor:.4g}{NBSP}{unit}".rstrip().replace("-", "−")
        return significant(value, 5) if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Score:
    """How a metric is written: of an accuracy percent and points, of bits per symbol bits."""

    metric: Literal["accuracy", "bits_per_symbol"]

    @property
    def name(self) -> str:
        return "accuracy" if self.metric == "accuracy" else "bits per symbol"

    @property
    def unit(self) -> str:
        return "%" if self.metric == "accuracy" else "bit"

    @property
    def difference_unit(self) -> str:
        return "points" if self.metric == "accuracy" else "bit"

    @property
    def factor(self) -> float:
        """From the results' unit to the one that is shown."""
        return 100.0 if self.metric == "accuracy" else 1.0

    @property
    def best(self) -> str:
        return "most accurate" if self.metric == "accuracy" else "best"

    @property
    def worse(self) -> str:
        """What becomes of it when it gets worse."""
        return "lost" if self.metric == "accuracy" else "added"

    def better(self, one: float, other: float) -> bool:
        return one > other if self.metric == "accuracy" else one < other

    def text(self, value: float) -> str:
        """With its unit."""
        return percent(value, 2) if self.metric == "accuracy" else f"{fixed(value, 3)}{NBSP}bit"

    def range(self, low: float, high: float) -> str:
        """An interval with its unit."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return "–"
        digits = 2 if self.metric == "accuracy" else 3
        return f"{fixed(self.factor * low, digits)} to {fixed(self.factor * high, digits)}{NBSP}{self.unit}"

    def error(self, value: float) -> str:
        """A standard error or deviation, without its unit."""
        return fixed(self.factor * value, 3 if self.metric == "accuracy" else 4)

    def difference(self, value: float) -> str:
        """With sign, without unit."""
        text = fixed(self.factor * value, 2 if self.metric == "accuracy" else 3)
        return f"+{text}" if value > 0 and any(each in "123456789" for each in text) else text


@dataclass(frozen=True)
class Row:
    """A point: its settings, what came of it.

    Attributes
    ----------
    number: its place in the study, from 0.
    label: of a ladder's point; else "".
    figures: name -> number, NaN where it is none; "score", "low", "high", "chip_spread", `SOURCES`, "loss", measures.
    """

    number: int
    label: str
    values: Mapping[str, Any]
    figures: Mapping[str, float]
    status: str

    @property
    def score(self) -> float:
        return self.figures.get("score", math.nan)

    @property
    def interval(self) -> tuple[float, float]:
        return self.figures.get("low", math.nan), self.figures.get("high", math.nan)

    @property
    def model_form(self) -> tuple[float, float, float]:
        """Score with the model-form error less without, and its interval."""
        value, low, high = (self.figures.get(f"error_model{end}", math.nan) for end in ("", "_low", "_high"))
        return value, low, high


@dataclass(frozen=True)
class StudyData:
    """What `results.nc` of a study holds.

    Attributes
    ----------
    method: of the sweep: "grid", "list", "latin hypercube", "sobol", "ladder", "pareto".
    settings: those that take more than one value. rows: all points, also those without a result.
    figures: name of a measure -> (unit, meaning).
    counts: "chips", "noise_samples", "test_samples", "seed". sources: what and which -> sha256.
    text: of the study's file. content: the same, parsed. about: the data set's other attributes.
    """

    title: str
    method: str
    score: Score
    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]
    figures: Mapping[str, tuple[str, str]]
    counts: Mapping[str, Any]
    sources: Mapping[str, str]
    text: str
    content: Mapping[str, Any]
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """Name of the network, or of the first one where it is swept."""
        stated = self.content.get("network", {}).get("name", "digits_lstm")
        return str(self.rows[0].values.get("network.name", stated) if self.rows else stated)

    @cached_property
    def scored(self) -> list[Row]:
        """Points with a score."""
        return [row for row in self.rows if math.isfinite(row.score)]

    @cached_property
    def best(self) -> Row | None:
        return self._extreme(best=True)

    @cached_property
    def worst(self) -> Row | None:
        return self._extreme(best=False)

    @property
    def is_grid(self) -> bool:
        """Whether the points are all combinations of the settings' values, each once."""
        count = math.prod(len(each.values) for each in self.settings)
        return self.method == "grid" and count == len(self.rows)

    def short(self, row: Row) -> str:
        """The same, by its number where it would be long."""
        return self.called(row) if row.label or len(self.settings) <= 3 else f"point {row.number}"

    def setting(self, name: str) -> Setting:
        return next(each for each in self.settings if each.name == name)

    def called(self, row: Row) -> str:
        """A point by what tells it from the others."""
        if row.label:
            return RUNGS.get(row.label, row.label.replace("_", " "))
        if not self.settings:
            return "the one setting"
        return ", ".join(f"{each.name} = {each.words(row.values[each.name])}" for each in self.settings)

    def _extreme(self, *, best: bool) -> Row | None:
        found = None
        for row in self.scored:
            if found is None or (self.score.better(row.score, found.score) == best and row.score != found.score):
                found = row
        return found


def _long_time(seconds: float) -> str:
    """Time after programming: minutes to years."""
    for size, name in ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.4g}{NBSP}{name}"
    return f"{seconds:.4g}{NBSP}s"
