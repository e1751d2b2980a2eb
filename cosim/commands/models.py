"""`cosim fit` and `cosim model`."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from cosim.blocks.model import ModelFile
from cosim.blocks.registry import Block, fit_of, fits_many, get_block
from cosim.commands.common import beside, check_writable, out, print_json, quantity
from cosim.errors import CosimError


def fit(
    datasets: Sequence[Path],
    output: Path,
    at: Mapping[str, Any],
    form: str | None,
    allow_failed: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """`cosim fit DATASET...`; `at` chooses one condition of a data set made over several.

    Writes the model and the plot of its residuals (`plot`, or beside the model).
    """
    from cosim.reports.plots.residuals import write_residual_plot

    check_writable(output)
    plot_key = "--output" if plot is None else "--plot"
    plot = plot or beside(output, ".svg")
    check_writable(plot, key=plot_key)
    if plot.resolve() == output.resolve():
        raise CosimError("the model and the plot of its residuals would be one file", file=output, key=plot_key)
    for key, path in (("--output", output), (plot_key, plot)):
        if path.resolve() in [each.resolve() for each in datasets]:
            raise CosimError("this would write over the data set", file=path, key=key)
    block, data = _loaded(datasets, at)
    residuals = []
    with _faults_of(datasets, block.NAME, _listed(data)):
        model = fit_of(block)(data, allow_failed=allow_failed, **({} if form is None else {"form": form}))
        if hasattr(block, "residuals"):
            residuals = list(block.residuals(model, data))
        file = model.save(output)
    notes = [note for each in residuals for note in each.warnings()]
    if residuals:
        write_residual_plot(f"model of {file.block} against its data", residuals, plot)
    if as_json:
        parts = {each.quantity: each.by_part() for each in residuals if each.part is not None}
        plotted = str(plot) if residuals else None
        content = {**file.content(), "sha256": file.sha256}
        print_json({"file": str(output), "plot": plotted, "warnings": notes, "parts": parts, **content})
        return
    _print_model(file)
    for each in residuals:
        for name, (rms, largest, points) in each.by_part().items():
            out.print(f"  {each.quantity}, {name}: {rms:.2g} {each.unit} rms, {largest:.2g} at most, {points} points")
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    out.print(f"wrote {output}" + (f" and {plot}" if residuals else ""))


def compare(
    datasets: Sequence[Path], at: Mapping[str, Any], forms: Sequence[str], allow_failed: bool, as_json: bool
) -> None:
    """`cosim fit DATASET... --compare`: candidate forms side by side; nothing is written."""
    from cosim.blocks.candidates import compare_forms

    block, data = _loaded(datasets, at)
    with _faults_of(datasets, block.NAME, _listed(data)):
        found = compare_forms(block, data, forms, allow_failed=allow_failed)
    if as_json:
        print_json({"block": block.NAME, "candidates": [each.as_dict() for each in found]})
        return
    table = Table("quantity", "form", "parameters", "AIC", "BIC", "fitted points", "rms fitted", "rms held out",
                  "largest", "what it is", title=f"forms of the model of {block.NAME}")  # fmt: skip
    for each in found:
        held = each.held_out
        table.add_row(
            each.quantity, each.form, str(each.parameters),
            *("-" if number is None else f"{number:.1f}" for number in (each.aic, each.bic)),
            str(each.points), "-" if each.seen_rms is None else f"{each.seen_rms:.3g} {held.unit}",
            f"{held.rms:.3g} {held.unit}", f"{held.maximum:.3g}", each.description,
        )  # fmt: skip
    out.print(table)
    out.print("AIC and BIC take the fitted points as independent, which those of one chip are not: lower is better,"
              " within one quantity; the error on held-out points should decide")  # fmt: skip


def _loaded(datasets: Sequence[Path], at: Mapping[str, Any]) -> tuple[Block, Any]:
    """The block of the data sets, and what its `fit` takes: one data set of one condition, or all as a list."""
    from cosim.blocks.dataset import load_dataset
    from cosim.blocks.over import at_condition

    for number, path in enumerate(datasets):
        if path.resolve() in [each.resolve() for each in datasets[:number]]:
            raise CosimError("this data set is given twice", file=path, key="DATASET")
    data = [load_dataset(path) for path in datasets]
    names = {each.attrs["block"] for each in data}
    if len(names) > 1:
        told = ", ".join(f"{path} of {each.attrs['block']}" for path, each in zip(datasets, data, strict=True))
        raise CosimError(f"these data sets are of different blocks: {told}", key="DATASET")
    with _faults_of(datasets, "?"):
        block = get_block(names.pop())
        fit_of(block)
    if fits_many(block):
        return block, data if not at else [at_condition(each, at) for each in data]
    if len(data) > 1:
        raise CosimError("a model of this block is fitted to one data set", key="DATASET", value=[*map(str, datasets)])
    with _faults_of(datasets, block.NAME):
        return block, at_condition(data[0], at)


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [data]


@contextmanager
def _faults_of(datasets: Sequence[Path], block: str, data: Sequence[Any] = ()) -> Iterator[None]:
    """What is wrong with a data set is told with its file; `data` are the data sets, for what to suspect in them."""
    file = datasets[0] if len(datasets) == 1 else None
    try:
        with _warnings_of_success():
            yield
    except (KeyError, ValidationError) as error:  # a variable or a setting that the fit needs
        lacks = _lacking(error) if isinstance(error, KeyError) else error.errors()[0]["loc"]
        raise CosimError(
            f"this data set lacks what a model of {block} is fitted to, or holds it in another form",
            file=file, value=lacks,
        ) from error  # fmt: skip
    except CosimError as error:
        raise CosimError(
            error.message, file=error.file or file, key=error.key, value=error.value, allowed=error.allowed
        ) from error
    except (ValueError, TypeError, IndexError, ArithmeticError, AssertionError) as error:
        # A variable that is not finite, empty, of other sizes or text where the fit needs numbers.
        raise CosimError(
            f"a model of {block} cannot be fitted to what this data set holds ({_in_short(error)})"
            f"{''.join(map(_suspects, data))}",
            file=file,
        ) from error


@contextmanager
def _warnings_of_success() -> Iterator[None]:
    """Warnings come out when the work is done: where it fails, one message says why."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def _in_short(error: Exception) -> str:
    """The first line of what NumPy or SciPy says, or the kind of the error."""
    return (str(error).splitlines() or [""])[0][:160] or type(error).__name__


def _suspects(data: Any) -> str:
    """Variables of a data set that are most likely why no fit is made, as the end of a message."""
    import numpy as np

    numbers = {str(name): each for name, each in data.variables.items() if each.dtype.kind == "f"}
    bare = [name for name, each in numbers.items() if each.size and not bool(np.isfinite(each.values).any())]
    holes = [name for name, each in numbers.items() if name not in bare and not bool(np.isfinite(each.values).all())]
    text = [str(name) for name, each in data.data_vars.items() if each.dtype.kind in "OSU" and name != "deck_hash"]
    empty = [str(name) for name, size in data.sizes.items() if not size]
    found = {"of size 0": empty, "text": text, "not finite in part": holes, "not finite at all": bare}
    return "".join(
        f"; {what}: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}" for what, names in found.items() if names
    )


def _lacking(error: KeyError) -> str:
    """The name that was looked for; xarray wraps it in a sentence that lists all others."""
    inner = error.__cause__ if isinstance(error.__cause__, KeyError) else error
    return str(inner.args[0])


def show_model(path: Path, accept: bool, as_json: bool) -> None:
    """`cosim model FILE`."""
    from cosim.blocks.model import load_model_file

    file = load_model_file(path, stated_block(path), accept)
    block_model(file, path, accept)
    if as_json:
        print_json({"file": str(path), **file.content(), "sha256": file.sha256})
        return
    _print_model(file)


def block_model(file: ModelFile, path: Path, accept: bool) -> tuple[Block, Any]:
    """The block of a checked model file, and its model; CosimError where the file holds no model of that block."""
    with faults_of_model(path, file.block):
        block = get_block(file.block)
        fit_of(block)
        return block, block.load_model(path, accept)


@contextmanager
def faults_of_model(path: Path, block: str, options: bool = False) -> Iterator[None]:
    """What a model file lacks, or holds in another form than its block's models do, is told with its name.

    With `options` a CosimError passes as it is: what the user asked of the model is wrong, not its file.
    """
    try:
        yield
    except CosimError as error:
        if options:
            raise
        raise CosimError(
            error.message, file=error.file or path, key=error.key, value=error.value, allowed=error.allowed
        ) from error
    except (KeyError, ValidationError) as error:
        lacks = str(error.args[0]) if isinstance(error, KeyError) else ".".join(map(str, error.errors()[0]["loc"]))
        raise CosimError(
            f"not a model of {block}: it lacks this, or holds it in another form", file=path, key=lacks
        ) from error
    except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise CosimError(f"not a model of {block} that could be used ({_in_short(error)})", file=path) from error


def stated_block(path: Path) -> str:
    """The block that a model file says it is of; what is wrong with the file is for its loader to say."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["block"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "?"


def _span(value: Any, unit: str) -> str:
    """A vector in short, from its smallest to its largest number; of a matrix the sizes alone, for its columns may have
    units of their own (a value and its slopes)."""
    import numpy as np

    numbers = np.array(value, dtype=np.float64)
    if numbers.ndim > 1 or not numbers.size:
        return f"{' x '.join(map(str, numbers.shape))} numbers"
    ends = " .. ".join(quantity(float(end), unit) for end in (numbers.min(), numbers.max()))
    return f"{numbers.size} numbers, {ends}"


def _print_model(file: Any) -> None:
    table = Table(title=f"model of {file.block}" + (f", form {file.form}" if file.form else ""))
    table.add_column("parameter", no_wrap=True)
    for heading in ("value", "95 % interval", "meaning"):
        table.add_column(heading)
    for name, each in file.parameters.items():
        if isinstance(each.value, tuple):
            table.add_row(name, _span(each.value, each.unit), "in the file", each.description)
            continue
        interval = "" if each.low is None else " .. ".join(quantity(end, each.unit) for end in (each.low, each.high))
        table.add_row(name, quantity(each.value, each.unit), interval, each.description)
    out.print(table)
    for name, error in file.all_errors().items():
        out.print(
            f"{name} on {error.points} points that the fit did not see ({error.held_out}):"
            f" {error.rms:.2g} {error.unit} rms, {error.maximum:.2g} {error.unit} at most"
            f" (limit {error.limit:g} {error.unit} rms: {'kept' if error.within_limit else 'EXCEEDED'})"
        )
    absent = file.settings.get("absent")
    for name, reason in absent.items() if isinstance(absent, Mapping) else ():
        out.print(f"not fitted: {name} ({reason})")
    limits = ", ".join(f"{name} {low:.4g} .. {high:.4g}" for name, (low, high) in file.domain.items())
    out.print(f"fitted on: {limits}")
