"""Model-form error: what ngspice finds and the fitted models do not know, as a distribution that tiles inject.

E is what ngspice has more than the model, in volts at the comparators. Of a conversion at bit line j with threshold k

    E_mac = mean + a_j + e,        E_threshold = mean + b_j + t_jk,

a_j, b_j, t_jk drawn with the chip and e anew in each conversion, all normal and independent. Only their difference can
move a code, so what is static shifts the thresholds, T_jk + E_threshold - E_mac, and e adds to the converter's own
noise in quadrature. Estimated from residuals by `cosim.studies.model_form`.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.files import write_atomically

SCHEMA = "cosim.model_form_error/1"
_STREAM = zlib.crc32(b"model-form error")  # spawn key: far above the numbers of any children


@dataclass(frozen=True)
class ModelFormError:
    """A distribution of what ngspice has more than the model [V].

    Attributes
    ----------
    mac_mean: of all MAC results.
    mac_column: standard deviation of a bit line's own mean, static.
    mac_conversion: standard deviation from conversion to conversion.
    threshold_mean: of all thresholds.
    threshold_column: standard deviation of a bit line's own mean, static.
    threshold_single: standard deviation of a threshold about that, static.
    provenance: what it was measured on.

    Raises CosimError for a number that is not finite and for a negative standard deviation.
    """

    mac_mean: float = 0.0
    mac_column: float = 0.0
    mac_conversion: float = 0.0
    threshold_mean: float = 0.0
    threshold_column: float = 0.0
    threshold_single: float = 0.0
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name, value in self.numbers.items():
            if not math.isfinite(value) or (value < 0 and not name.endswith("_mean")):
                raise CosimError("not a mean or standard deviation in volts", key=name, value=value)

    @property
    def numbers(self) -> dict[str, float]:
        """Its numbers by name [V]."""
        return {each.name: float(getattr(self, each.name)) for each in fields(self) if each.name != "provenance"}

    @property
    def is_zero(self) -> bool:
        """Nothing would be injected."""
        return not any(self.numbers.values())

    def shifts(self, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
        """One chip's static shifts of thresholds (bit lines, thresholds) [V]: T_jk + this is what ngspice would have.

        All numbers are drawn, whichever standard deviations are zero, so that each part can be set alone.
        """
        lines, _ = shape
        mac, column = self.mac_column * rng.standard_normal(lines), self.threshold_column * rng.standard_normal(lines)
        single = self.threshold_single * rng.standard_normal(shape)
        return self.threshold_mean - self.mac_mean + (column - mac)[:, None] + single

    def scaled(self, factor: float) -> ModelFormError:
        """The same `factor` times as large."""
        return ModelFormError(
            **{name: factor * each for name, each in self.numbers.items()}, provenance=self.provenance
        )

    def save(self, path: str | Path) -> Path:
        """Write it as JSON; returns `path`."""
        content = {"schema": SCHEMA, "unit": "V", **self.numbers, "provenance": dict(self.provenance)}
        text = json.dumps(content, indent=2) + "\n"
        return write_atomically(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def load_model_error(path: str | Path) -> ModelFormError:
    """Read what `ModelFormError.save` wrote; CosimError with the file's name when it is anything else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CosimError(f"cannot be read ({error.strerror or error})", file=path) from error
    except ValueError as error:
        raise CosimError(f"not a JSON file: {error}", file=path) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        raise CosimError("not a model-form error", file=path, key="schema", value=found, allowed=[SCHEMA])
    names = {each.name for each in fields(ModelFormError)} - {"provenance"}
    given = {name: each for name, each in content.items() if name not in ("schema", "unit", "provenance")}
    if set(given) != names:
        wrong = sorted(set(given) ^ names)
        raise CosimError("entries are missing or unknown", file=path, key=wrong[0], allowed=sorted(names))
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CosimError("not a number", file=path, key=name, value=value)
    try:
        return ModelFormError(**given, provenance=content.get("provenance") or {})
    except CosimError as error:
        raise CosimError(error.message, file=path, key=error.key, value=error.value) from error


def error_rng(rng: np.random.Generator) -> np.random.Generator:
    """The generator that the static part of a chip drawn from `rng` is drawn from.

    It takes nothing from `rng` and from the children that it spawns, so all other draws stay as they are; another chip
    drawn later from the same `rng` has another.
    """
    seed = rng.bit_generator.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        raise CosimError("a model-form error needs a generator made of a seed, as by numpy.random.default_rng(seed)")
    key = (*seed.spawn_key, _STREAM, seed.n_children_spawned)
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=key))
