"""`cosim fit` and `cosim model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from cosim.commands.common import check_writable, out, print_json, quantity
from cosim.errors import CosimError


def fit(dataset: Path, output: Path, allow_failed: bool, as_json: bool) -> None:
    """`cosim fit DATASET`."""
    from cosim.blocks.dataset import load_dataset
    from cosim.blocks.registry import fit_of, get_block

    data = load_dataset(dataset)
    check_writable(output)
    try:
        model = fit_of(get_block(data.attrs["block"]))(data, allow_failed=allow_failed)
    except CosimError as error:
        raise CosimError(
            error.message, file=error.file or dataset, key=error.key, value=error.value, allowed=error.allowed
        ) from error
    file = model.save(output)
    if as_json:
        print_json({"file": str(output), **file.content(), "sha256": file.sha256})
        return
    _print_model(file)
    out.print(f"wrote {output}")


def show_model(path: Path, accept: bool, as_json: bool) -> None:
    """`cosim model FILE`."""
    from cosim.blocks.model import load_model_file

    file = load_model_file(path, _stated_block(path), accept)
    if as_json:
        print_json({"file": str(path), **file.content(), "sha256": file.sha256})
        return
    _print_model(file)


def _stated_block(path: Path) -> str:
    """The block that a model file says it is of; what is wrong with the file is for its loader to say."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["block"])
    except (OSError, ValueError, KeyError, TypeError):
        return "?"


def _print_model(file: Any) -> None:
    table = Table("parameter", "value", "95 % interval", "meaning", title=f"model of {file.block}")
    for name, each in file.parameters.items():
        if isinstance(each.value, tuple):
            continue
        interval = "" if each.low is None else " .. ".join(quantity(end, each.unit) for end in (each.low, each.high))
        table.add_row(name, quantity(each.value, each.unit), interval, each.description)
    out.print(table)
    error = file.error
    out.print(
        f"error on {error.points} points that the fit did not see ({error.held_out}):"
        f" {error.rms:.2g} {error.unit} rms, {error.maximum:.2g} {error.unit} at most"
        f" (limit {error.limit:g} {error.unit} rms: {'kept' if error.within_limit else 'EXCEEDED'})"
    )
    limits = ", ".join(f"{name} {low:.4g} .. {high:.4g}" for name, (low, high) in file.domain.items())
    out.print(f"fitted on: {limits}")
