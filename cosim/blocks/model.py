"""The behavioural model's file: a few numbers in JSON that carry their own error, domain and origin.

    {"schema": "cosim.model/1", "block": ..., "form": ..., "parameters": {name: {"value", "unit", "interval",
     "description"}}, "settings": {...},
     "error": {"rms", "maximum", "unit", "points", "limit", "held_out", "quantiles"}, "errors": {quantity: error},
     "domain": {name: [low, high]}, "provenance": {...}, "sha256": of the canonical JSON of all the rest}

`error` is that of the quantity which counts most, `errors` has every quantity that the model tells. A block's model is
a frozen dataclass of its own (`cosim.blocks.fitted` is the plain one); it writes itself with `save_model` and is made
from the `ModelFile` that `load_model_file` returns. A file that is damaged, of another schema or block, or any of
whose errors exceeds its stated limit is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from cosim.blocks.domain import Domain
from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import plain, sha256_of_json
from cosim.validation import validated

SCHEMA: Literal["cosim.model/1"] = "cosim.model/1"
LARGEST_FILE = 100_000  # [bytes]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Vector = tuple[_Finite, ...]
_Value = _Finite | _Vector | tuple[_Vector, ...]


@dataclass(frozen=True, config=_STRICT)
class Parameter:
    """A fitted number, vector or matrix with its confidence interval.

    Attributes
    ----------
    value: a float, or nested tuples of floats.
    unit: SI unit, "1" for a plain number.
    low, high: ends of the 95 % confidence interval, of the shape of `value`; None where the fit gives none.
    description: one line.
    """

    value: _Value
    unit: str
    low: _Value | None = None
    high: _Value | None = None
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and "interval" in content:
            rest = {name: value for name, value in content.items() if name != "interval"}
            interval = content["interval"]
            if interval is not None and not (isinstance(interval, list | tuple) and len(interval) == 2):
                raise ValueError("interval must be [low, high] or null")
            low, high = (None, None) if interval is None else interval
            return {**rest, "low": low, "high": high}
        return content

    @model_validator(mode="after")
    def _same_shapes(self) -> Parameter:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both ends")
        if self.low is not None and len({np.array(each).shape for each in (self.value, self.low, self.high)}) > 1:
            raise ValueError("value and interval must have the same shape")
        return self

    @model_serializer
    def _to_file(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "unit": self.unit,
            "interval": None if self.low is None else [self.low, self.high],
            "description": self.description,
        }


@dataclass(frozen=True, config=_STRICT)
class ModelError:
    """How far the model is from the simulation on points that the fit did not see.

    Attributes
    ----------
    rms, maximum: of the absolute error, in `unit` ("LSB", "relative to full scale", ...).
    points: how many were compared.
    limit: the largest `rms` with which the model may be used.
    held_out: which points were kept from the fit, in words.
    quantiles: of the signed error (model - reference) on these points, in `unit`: "0.05" -> value ...; None where
        they were not kept.
    """

    rms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    maximum: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unit: str
    points: Annotated[int, Field(ge=1)]
    limit: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    held_out: str
    quantiles: dict[str, _Finite] | None = None

    @property
    def within_limit(self) -> bool:
        return self.rms <= self.limit


class ModelFile(BaseModel):
    """What a model file holds, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    schema_: Literal["cosim.model/1"] = Field(SCHEMA, alias="schema")
    block: str
    form: str = ""
    parameters: dict[str, Parameter]
    settings: dict[str, Any]
    error: ModelError
    errors: dict[str, ModelError] = Field(default_factory=dict)
    domain: dict[str, tuple[float, float]]
    provenance: dict[str, Any]
    sha256: str = ""

    @field_validator("domain")
    @classmethod
    def _in_order(cls, domain: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in domain.items():
            if low > high:
                raise ValueError(f"the lowest value of '{name}' is above the highest")
        return domain

    def value(self, name: str) -> float:
        """The value of a parameter that is one number."""
        value = self._parameter(name).value
        if isinstance(value, tuple):
            raise CosimError("this parameter must be one number", key=f"parameters.{name}.value")
        return value

    def array(self, name: str) -> NDArray[np.float64]:
        """The value of a parameter as an array of its shape."""
        return np.asarray(self._parameter(name).value, dtype=np.float64)

    def all_errors(self) -> dict[str, ModelError]:
        """The error of every quantity, and that which counts most where it is not among them."""
        told = self.error in self.errors.values()
        return {**self.errors} if told else {"error": self.error, **self.errors}

    def fitted_domain(self) -> Domain:
        """The domain of the fit, with its own count of what lies outside."""
        return Domain(self.domain)

    def content(self) -> dict[str, Any]:
        """All that the checksum covers, as JSON holds it."""
        return self.model_dump(mode="json", by_alias=True, exclude={"sha256"})

    def _parameter(self, name: str) -> Parameter:
        if name not in self.parameters:
            raise CosimError("the model lacks this parameter", key=f"parameters.{name}", allowed=[*self.parameters])
        return self.parameters[name]


def nested(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """A matrix as the value of a `Parameter`."""
    return tuple(tuple(float(each) for each in row) for row in matrix)


def save_model(
    path: str | Path,
    *,
    block: str,
    parameters: Mapping[str, Parameter],
    settings: Mapping[str, Any],
    error: ModelError,
    domain: Mapping[str, tuple[float, float]],
    provenance: Mapping[str, Any],
    errors: Mapping[str, ModelError] | None = None,
    form: str = "",
) -> ModelFile:
    """Write a model file, whole or not at all, and return what it holds.

    NumPy values in `settings` and `provenance` become plain ones. Floats are written in their shortest exact
    form, so they come back bit for bit. Raises CosimError when the file would exceed 100 kB: large tables
    belong in the data set. A model above its error limit is written all the same; it is the loading that
    asks.
    """
    model = ModelFile(
        schema_=SCHEMA,
        block=block,
        form=form,
        parameters=dict(parameters),
        settings=_plain(settings),
        error=error,
        errors=dict(errors or {}),
        domain={name: (float(low), float(high)) for name, (low, high) in domain.items()},
        provenance=_plain(provenance),
    )
    content = model.content()
    model = model.model_copy(update={"sha256": sha256_of_json(content)})
    text = json.dumps({**content, "sha256": model.sha256}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if len(text.encode()) >= LARGEST_FILE:
        raise CosimError(
            "this model is too large for a model file", file=path, value=f"{len(text.encode())} bytes",
            allowed=f"below {LARGEST_FILE} bytes",
        )  # fmt: skip
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    return model


def load_model_file(path: str | Path, block: str, accept: bool = False) -> ModelFile:
    """Read and check a model file of `block`; `accept` lets a model pass whose error exceeds its limit."""
    content = _read_json(path)
    if not isinstance(content, dict) or "schema" not in content:
        raise CosimError("not a model file of cosim: it states no schema", file=path, allowed=SCHEMA)
    if content["schema"] != SCHEMA:
        raise CosimError(
            "this schema is unknown; the file may come from another version of cosim",
            file=path, key="schema", value=content["schema"], allowed=SCHEMA,
        )  # fmt: skip
    stated = content.get("sha256")
    try:
        actual = sha256_of_json({name: part for name, part in content.items() if name != "sha256"})
    except ValueError as error:  # a number beyond all floats, half of a character
        raise CosimError(f"not JSON that cosim writes: {error}", file=path) from error
    if stated != actual:
        raise CosimError(
            "the checksum does not fit the content: the file was changed or damaged after it was fitted",
            file=path, key="sha256", value=stated,
        )  # fmt: skip
    if content.get("block") != block:
        raise CosimError(
            "this model is of another block",
            file=path,
            key="block",
            value=content.get("block"),
            allowed=block,
        )
    model = validated(ModelFile, content, file=path)
    if not accept:
        _refuse_beyond_limits(model, path)
    return model


def _refuse_beyond_limits(model: ModelFile, path: str | Path) -> None:
    judged = {"error": model.error} | {f"errors.{name}": each for name, each in model.errors.items()}
    for key, error in judged.items():
        if not error.within_limit:
            raise CosimError(
                f"the model's error on unseen points exceeds its limit ({error.rms:.3g} {error.unit} rms);"
                " fit it again, or load it with --accept",
                file=path, key=f"{key}.rms", value=error.rms, allowed=f"at most {error.limit:g} {error.unit}",
            )  # fmt: skip


def _read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise CosimError(f"cannot read this model: {error.strerror or error}", file=path) from error
    except (ValueError, RecursionError) as error:
        raise CosimError(f"not JSON: {error}", file=path) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same content as JSON gives it back."""
    copy: dict[str, Any] = json.loads(json.dumps(dict(content), default=plain, allow_nan=False))
    return copy
