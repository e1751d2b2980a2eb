"""Where a result comes from: version, time, seed; and the canonical form that hashes are taken over."""

import hashlib
import json
import platform
from datetime import UTC, datetime
from typing import Any

import cosim


def provenance(*, seed: int | None = None, **extra: Any) -> dict[str, Any]:
    """What a file says of its making; nothing in it names the machine or its user.

    `created` is UTC in ISO 8601, to the second. `extra` entries (hashes of inputs, settings) are added as
    they are.
    """
    return {
        "cosim_version": cosim.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "seed": seed,
        **extra,
    }


def canonical_json(content: Any) -> str:
    """The JSON text of `content`: sorted keys, no white space, floats in their shortest exact form.

    NumPy scalars and arrays become numbers and lists. Raises ValueError for NaN and infinities, which JSON
    lacks.
    """
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=plain
    )


def sha256_of_json(content: Any) -> str:
    """sha256 over the canonical JSON of `content`, in hexadecimal."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def plain(value: Any) -> Any:
    """NumPy values as Python ones, paths as text: the `default` of `json.dumps`."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
