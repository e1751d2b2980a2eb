"""TOML files checked against pydantic models; what is wrong becomes one CosimError saying what is right."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cosim.errors import CosimError, did_you_mean
from cosim.units import Unit, format_si

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file; CosimError when it is missing, unreadable or not TOML."""
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CosimError(f"not valid TOML: {error}", file=path) from error


def validated(
    model: type[Model],
    content: Mapping[str, Any],
    *,
    file: str | Path | None = None,
    from_code: Iterable[str] = (),
) -> Model:
    """An instance of `model` made of `content`.

    Parameters
    ----------
    content: as read from `file`; a bare number where a quantity is wanted is refused: its unit is missing.
    from_code: top-level keys that code has set; they may hold numbers in SI units, and `file` is not blamed
        for them.

    Raises one CosimError: of the only thing wrong, or listing all of them.
    """
    instance, problems = examined(model, content, file=file, from_code=from_code)
    if instance is None or problems:
        raise _joined(problems, file)
    return instance


def examined(
    model: type[Model],
    content: Mapping[str, Any],
    *,
    file: str | Path | None = None,
    from_code: Iterable[str] = (),
) -> tuple[Model | None, list[CosimError]]:
    """What `validated` gives, or None, and everything that is wrong; arguments as there."""
    exempt = set(from_code)
    problems = [
        CosimError(
            "the unit is missing", file=file, key=key, value=value,
            allowed=f"a number with a unit of '{unit}', in quotes: \"{value} {unit}\"",
        )
        for key, value, unit in _bare_numbers(model, content, "")
        if key.split(".")[0] not in exempt
    ]  # fmt: skip
    try:
        return model.model_validate(dict(content)), problems
    except CosimError as error:  # a rule between keys, which says by itself what is wrong
        return None, [*problems, error]
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            if detail["type"] == "default_factory_not_called" or _is_misspelt(detail, details):
                continue  # a default that rests on the key that is wrong; a key that is missing because misspelt
            of_code = bool(detail["loc"]) and detail["loc"][0] in exempt
            problems.append(_as_cosim_error(model, detail, None if of_code else file))
        return None, problems


def _is_misspelt(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """A required key is missing only because an unknown one beside it is its misspelling: that one says so."""
    if detail["type"] != "missing" or not detail["loc"]:
        return False
    beside = [
        str(each["loc"][-1])
        for each in details
        if each["type"] in ("extra_forbidden", "unexpected_keyword_argument") and each["loc"][:-1] == detail["loc"][:-1]
    ]
    return any(did_you_mean(name, [str(detail["loc"][-1])]) for name in beside)


def is_number(value: Any) -> bool:
    """Whether it is a finite number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def unit_of_key(model: type[BaseModel], key: str) -> str | None:
    """The unit of a model's field; None for one that holds no quantity, and for an unknown key."""
    field = _fields(model).get(key)
    return None if field is None else _unit_of(field)


def _joined(problems: Sequence[CosimError], file: str | Path | None) -> CosimError:
    if len(problems) == 1:
        return problems[0]
    listed = "".join(
        "\n  " + str(CosimError(each.message, key=each.key, value=each.value, allowed=each.allowed))
        for each in problems
    )
    return CosimError(f"{len(problems)} values are wrong:{listed}", file=file)


def _as_cosim_error(model: type[BaseModel], detail: ErrorDetails, file: str | Path | None) -> CosimError:
    """One of pydantic's complaints, in our words."""
    location = detail["loc"]
    key = _dotted(location) or None
    context = detail.get("ctx", {})
    parent, field = _field_at(model, location)
    message: str = detail["msg"].removeprefix("Value error, ")
    allowed: Any = context.get("allowed")
    value: Any = detail["input"]
    match detail["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            known = _keys(parent)
            message = f"unknown key.{did_you_mean(str(location[-1]), known)}"
            value, allowed = None, known
        case "missing":
            message, value = "this key is required", None
        case "quantity":
            pass  # message and allowed come from cosim.units
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            message = "out of range"
        case "literal_error" | "enum":
            message, allowed = "not one of the choices", context.get("expected", "").replace(" or ", ", ")
            if isinstance(value, str):
                choices = [each.strip(" '") for each in allowed.split(",")]
                message += f".{did_you_mean(value, choices)}"
        case "value_error":
            cause = context.get("error")
            if isinstance(value, Mapping | BaseModel):  # a rule between keys: the whole table says nothing
                value = None
            if isinstance(cause, CosimError):
                message, allowed = cause.message, cause.allowed
        case _:
            message = message[:1].lower() + message[1:]
    if allowed is None and field is not None:
        allowed = range_in_words(field)
    return CosimError(message, file=file, key=key, value=value, allowed=allowed)


def _dotted(location: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in location)


def _fields(model: type | None) -> dict[str, FieldInfo]:
    """The fields of a pydantic model or dataclass."""
    fields: dict[str, FieldInfo] = getattr(model, "__pydantic_fields__", {})
    return fields


def _keys(model: type | None) -> list[str]:
    return [field.alias or name for name, field in _fields(model).items()]


def _field_at(model: type[BaseModel], location: Sequence[str | int]) -> tuple[type | None, FieldInfo | None]:
    """The model that holds the last part of `location`, and that part's field, where they can be told."""
    parent: type | None = model
    field: FieldInfo | None = None
    for position, part in enumerate(location):
        fields = _fields(parent)
        found = fields.get(str(part)) or next((each for each in fields.values() if each.alias == part), None)
        if found is None:  # an index in a list, a key of a dict, or an unknown key
            continue
        field = found
        if position + 1 < len(location):
            parent = next(_models_in(field.annotation), None)
    return parent, field


def _models_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_fields__"):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _unit_of(field: FieldInfo) -> str | None:
    """The unit of a field: in its own metadata, or in those of the elements of a list."""
    return _unit_of_itself(field) or _unit_in(field.annotation)


def _unit_of_itself(field: FieldInfo) -> str | None:
    return next((item.symbol for item in field.metadata if isinstance(item, Unit)), None)


def _unit_in(annotation: Any) -> str | None:
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, Unit):
            return item.symbol
    return next((unit for unit in map(_unit_in, get_args(annotation)) if unit is not None), None)


def _bare_numbers(model: type, content: Any, prefix: str) -> Iterator[tuple[str, float, str]]:
    """(key, value, unit) of every plain number that stands where a quantity with a unit is wanted."""
    if not isinstance(content, Mapping):
        return
    for name, field in _fields(model).items():
        key = field.alias or name
        if key not in content:
            continue
        value, dotted, unit = content[key], f"{prefix}{key}", _unit_of(field)
        if unit is None:
            for nested in _models_in(field.annotation):
                yield from _bare_numbers(nested, value, f"{dotted}.")
        elif unit != "1":
            many = isinstance(value, list) and _unit_of_itself(field) is None
            for each in value if many else [value]:
                if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each):
                    yield dotted, each, unit


def range_in_words(field: FieldInfo) -> str | None:
    """The bounds of a field in words: "2 to 8", "above 0 V and at most 1 V"; None when it has none."""
    bounds = {
        bound: getattr(item, bound)
        for item in _metadata(field)
        for bound in ("ge", "gt", "le", "lt")
        if getattr(item, bound, None) is not None
    }
    if not bounds:
        return None
    unit = _unit_of(field)
    shown = {bound: str(edge) if unit is None else format_si(edge, unit) for bound, edge in bounds.items()}
    if set(shown) == {"ge", "le"}:
        return f"{shown['ge']} to {shown['le']}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{word} {shown[bound]}" for bound, word in words.items() if bound in shown)


def _metadata(field: FieldInfo) -> Iterator[Any]:
    """The field's constraints, and those of its elements when it is a list."""
    yield from field.metadata
    yield from _nested_metadata(field.annotation)


def _nested_metadata(annotation: Any) -> Iterator[Any]:
    for item in getattr(annotation, "__metadata__", ()):
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    for argument in get_args(annotation):
        yield from _nested_metadata(argument)
