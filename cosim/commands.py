"""What the commands do and print; `cli` only parses."""

from __future__ import annotations

import inspect
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from cosim.errors import CosimError, did_you_mean

# Names of files and units may hold brackets, and a path must not be broken where a line is full.
out = Console(highlight=False, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """One JSON object on stdout."""
    from cosim.provenance import plain

    print(json.dumps(content, default=plain, indent=2, allow_nan=False))


def pairs(texts: Iterable[str] | None, option: str) -> Iterator[tuple[str, Any]]:
    """`name=value` options; a value that is a number or a TOML literal becomes one, anything else stays text."""
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise CosimError("an option of this kind is written name=value", key=option, value=text)
        yield name.strip(), _literal(value.strip())


def _literal(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def show_blocks(as_json: bool) -> None:
    """`cosim characterise --list`."""
    from cosim.blocks.registry import list_blocks

    blocks = list_blocks()
    if as_json:
        print_json(blocks)
        return
    for block in blocks:
        if "error" in block:
            out.print(f"{block['name']}  cannot be used: {block['error']}")
            continue
        out.print(f"{block['name']}  {block['description']}", style="bold")
        for kind in ("sweeps", "figures"):
            for name, text in block[kind].items():
                out.print(f"  {kind[:-1]:7} {name:20} {text}")


def characterise(
    name: str | None,
    output: Path | None,
    config_file: Path | None,
    settings: Mapping[str, Any],
    sweeps: Mapping[str, Any],
    seed: int,
    workers: int | None,
    use_cache: bool,
    as_json: bool,
) -> None:
    """`cosim characterise BLOCK`."""
    from cosim.blocks.config import load_config
    from cosim.blocks.dataset import deck_hashes, failed_points, save_dataset
    from cosim.blocks.registry import block_names, get_block
    from cosim.spice import SimulatorPool

    if name is None:
        raise CosimError("name the block to characterise", key="BLOCK", allowed=block_names())
    block = get_block(name)
    config = load_config(block.Config, config_file, settings)
    options = _sweep_options(block.characterise, sweeps)
    path = output or Path(f"{name}.nc")
    _check_seed(seed)
    _check_writable(path)
    with SimulatorPool(workers, use_cache=use_cache) as pool:
        data = block.characterise(config, seed=seed, pool=pool, show_progress=not as_json, **options)
    save_dataset(data, path)
    failed = failed_points(data)
    summary = {
        "block": name,
        "file": str(path),
        "dimensions": {str(each): int(size) for each, size in data.sizes.items()},
        "figures": _figures(data, block.FIGURES),
        "failed": failed,
        "decks": len(deck_hashes(data)),
        "simulator": data.attrs["simulator"],
        "solver": data.attrs["solver"],
        "seed": seed,
    }
    if as_json:
        print_json(summary)
        return
    table = Table("figure", "smallest", "mean", "largest", title=f"{name}: {block.DESCRIPTION}")
    for figure, row in summary["figures"].items():
        table.add_row(figure, *(_quantity(row[each], row["unit"]) for each in ("minimum", "mean", "maximum")))
    out.print(table)
    out.print(f"{summary['decks']} simulations in {data.attrs['simulator']} ({data.attrs['solver']}), {failed} failed")
    out.print(f"wrote {path}; next: cosim fit {path}")


def _sweep_options(function: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and isinstance(parameter.default, int | tuple)
        and not isinstance(parameter.default, bool) and parameter.name != "seed"
    }  # fmt: skip
    for name, value in given.items():
        if name not in known:
            raise CosimError(
                f"unknown sweep.{did_you_mean(name, known)}", key="--sweep", value=name, allowed=list(known)
            )
        listed = isinstance(known[name], tuple)
        right = isinstance(value, list) and all(map(_is_number, value)) if listed else type(value) is int
        if not right:
            kind = "a list of numbers, e.g. [0.15, 0.2]" if listed else "a whole number"
            raise CosimError("this sweep takes another kind of value", key=f"--sweep {name}", value=value, allowed=kind)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise CosimError("a seed cannot be negative", key="--seed", value=seed, allowed="0 or more")


def _check_writable(path: Path, *, folder: bool = False) -> None:
    """Raise CosimError when a file (or a folder's files) cannot be written, before hours of work; leave no trace."""
    place = path if folder else path.parent
    if path.is_dir() and not folder:
        raise CosimError("cannot write here: this is a folder", file=path, key="--output")
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise CosimError(f"cannot write here: '{place}' is a file, not a folder", file=path, key="--output")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise CosimError(f"cannot write here: {error.strerror or error}", file=path, key="--output") from error


def _quantity(value: float, unit: str) -> str:
    """A quantity for people; only a plain unit takes a prefix."""
    from cosim.units import format_si

    return format_si(value, unit) if unit.isalpha() else f"{value:.4g} {'' if unit == '1' else unit}".strip()


def _figures(data: Any, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    import numpy as np

    figures = {}
    for name in names:
        if name not in data or not np.isfinite(data[name].values.astype(float)).any():
            continue
        values = data[name].values.astype(float)
        figures[name] = {
            "minimum": float(np.nanmin(values)),
            "mean": float(np.nanmean(values)),
            "maximum": float(np.nanmax(values)),
            "unit": data[name].attrs["units"],
        }
    return figures


def fit(dataset: Path, output: Path, allow_failed: bool, as_json: bool) -> None:
    """`cosim fit DATASET`."""
    from cosim.blocks.dataset import load_dataset
    from cosim.blocks.registry import get_block

    data = load_dataset(dataset)
    _check_writable(output)
    try:
        model = get_block(data.attrs["block"]).fit(data, allow_failed=allow_failed)
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
        interval = "" if each.low is None else " .. ".join(_quantity(end, each.unit) for end in (each.low, each.high))
        table.add_row(name, _quantity(each.value, each.unit), interval, each.description)
    out.print(table)
    error = file.error
    out.print(
        f"error on {error.points} points that the fit did not see ({error.held_out}):"
        f" {error.rms:.2g} {error.unit} rms, {error.maximum:.2g} {error.unit} at most"
        f" (limit {error.limit:g} {error.unit} rms: {'kept' if error.within_limit else 'EXCEEDED'})"
    )
    limits = ", ".join(f"{name} {low:.4g} .. {high:.4g}" for name, (low, high) in file.domain.items())
    out.print(f"fitted on: {limits}")


def train(
    network: str, form: str, bits: int, seed: int, output: Path, options: Mapping[str, Any], as_json: bool
) -> None:
    """`cosim train NETWORK`; `options` are those of the recipe that were given (epochs, w_max, weight_noise)."""
    known = ["digits_lstm"]
    if network not in known:
        raise CosimError(f"unknown network.{did_you_mean(network, known)}", value=network, allowed=known)
    from cosim.studies.statistics import paired_difference_of_counts
    from cosim.training.digits_lstm import train_command

    report = train_command(
        cast(Any, form),  # checked there, with the error a user should see
        bits,
        seed,
        output,
        label=None if as_json else "training",
        **options,
    )
    if "paired" in report:
        pair = paired_difference_of_counts(**report["paired"])
        report["paired"] = {**report["paired"], "difference": pair.value, "interval": [pair.low, pair.high]}
    if as_json:
        print_json(report)
        return
    for each, file in report["files"].items():
        out.print(f"{each}: wrote {file}")
        for name, value in report[each].items():
            out.print(f"  {name}: {value}")
    if "paired" in report:
        pair = report["paired"]
        out.print(f"float minus qat on the same images: {pair['difference']:+.2%} {_interval(pair['interval'])}")


def demo(
    output: Path, spice_chips: int, chips: int, images: int, seed: int, workers: int | None, as_json: bool
) -> None:
    """`cosim demo`."""
    from cosim.demo import DemoOptions, run_demo

    _check_seed(seed)
    _check_writable(output, folder=True)
    options = DemoOptions(spice_chips, chips, images, seed, workers)
    command = f"cosim demo --spice-chips {spice_chips} --chips {chips} --images {images} --seed {seed}"
    say = (lambda text: None) if as_json else (lambda text: out.print(text, style="bold"))
    results = run_demo(output, options, say, command)
    if as_json:
        print_json(results)
        return
    _print_demo(results)


def _print_demo(results: Mapping[str, Any]) -> None:
    for function, adc in results["adc"].items():
        table = Table(
            "threshold", "ideal", "SPICE", "model", "error [LSB]", title=f"ramp ADC, {function}, nominal chip"
        )
        for row in adc["table"]:
            table.add_row(
                str(row["threshold"]),
                *(f"{row[each]:+.4f}" for each in ("ideal", "spice", "model")),
                f"{row['error']:+.4f}",
            )
        out.print(table)
        error = adc["error"]
        out.print(
            f"model against ngspice on unseen chips: {error['rms']:.4f} LSB rms, {error['maximum']:.4f} LSB at most,"
            f" {error['points']} thresholds"
        )
        for each in adc["v_read"]:
            out.print(
                f"  V_read {each['v_read']:.2f} V, {each['ramp']:6} ramp: thresholds move by {each['shift']:.3f} LSB"
            )
        chips = adc["v_read_chips"]
        if chips:
            worst = max(chips, key=lambda each: float(each["shift"]))
            out.print(
                f"  with mismatch: {worst['shift']:.3f} LSB at a comparator offset of {worst['offset'] * 1e3:+.1f} mV,"
                f" {worst['shift_without_offset']:.3f} LSB without the offset's part"
            )
    for each in results["tile_v_read"]["rows"]:
        out.print(
            f"whole tile at V_read {each['v_read']:.2f} V: MAC results move by {each['mac_change']:.1e} units,"
            f" {each['codes_changed']} of {results['tile_v_read']['conversions']} codes change"
        )
    for cell in ("linear", "sinh"):
        error = results["crossbar"][cell]
        out.print(f"crossbar, {cell} cells: {error['rms']:.2g} rms, {error['maximum']:.2g} at most ({error['unit']})")
    table = Table(
        "tiles", "accuracy", "95 % interval", "of", title=f"accuracy on {results['accuracy']['images']} test images"
    )
    for row in results["accuracy"]["rows"]:
        table.add_row(row["name"], f"{row['accuracy']:.2%}", _interval(row["interval"]), row["note"])
    out.print(table)
    pair = results["accuracy"]["paired"]
    out.print(f"quantised minus float: {pair['difference']:+.2%} {_interval(pair['interval'])} (paired)")
    pair = results["accuracy"]["paired_behavioural"]
    out.print(f"behavioural minus float: {pair['difference']:+.2%} {_interval(pair['interval'])} (paired)")
    table = Table("non-ideality alone", "accuracy", "cost", "95 % interval", "chip-to-chip", title="ladder")
    for rung in results["ladder"]:
        table.add_row(
            rung["label"],
            f"{rung['accuracy']:.2%}",
            f"{rung['cost']:+.2%}",
            _interval(rung["cost_interval"]),
            f"{rung['spread']:.2%}",
        )
    out.print(table)
    loop = results["cosimulation"]
    out.print(
        f"SPICE in the loop: {loop['conversions']} conversions, {loop['equal']:.2%} of codes equal"
        f" {_interval(loop['interval'])}, {loop['within_one']:.2%} within 1 LSB"
    )
    for image in loop["images"]:
        out.print(
            f"  image {image['index']} ({image['label']}): ngspice {image['spice']}, model {image['behavioural']}"
        )
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in results["elapsed"].items())
    out.print(f"time: {stages}")
    out.print(f"report: {results['report']}")


def _interval(ends: Any) -> str:
    return f"[{ends[0]:.2%}, {ends[1]:.2%}]"
