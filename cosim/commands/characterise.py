"""`cosim characterise`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from cosim.commands.common import check_seed, check_writable, out, print_json, quantity
from cosim.errors import CosimError


@dataclass(frozen=True)
class Request:
    """What a user asks of `cosim characterise`.

    Attributes
    ----------
    block: its name; None where none was given, which is an error.
    output: data set to write; None: `BLOCK.nc`.
    config: TOML file of the block's settings; `settings` override it.
    sweeps: keyword arguments of the block's `characterise`.
    over: setting -> values; each becomes a dimension of the data set.
    workers, scheduler, timeout, use_cache: as `cosim.spice.open_pool` takes them.
    plots, decks: folders for the pictures and the decks; None for neither.
    """

    block: str | None
    output: Path | None = None
    config: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    sweeps: Mapping[str, Any] = field(default_factory=dict)
    over: Mapping[str, list[Any]] = field(default_factory=dict)
    seed: int = 1
    workers: int | None = None
    scheduler: str | None = None
    timeout: float = 600.0
    use_cache: bool = True
    plots: Path | None = None
    decks: Path | None = None
    as_json: bool = False


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
        for kind in ("sweeps", "figures", "settings"):
            for name, text in block[kind].items():
                out.print(f"  {kind[:-1]:7} {name:22} {text}")


def characterise(request: Request) -> None:
    """Run a block in ngspice over its sweeps and conditions; write the data set, print what it holds."""
    from cosim.blocks.dataset import deck_hashes, failed_points, save_dataset
    from cosim.blocks.over import combine, conditions
    from cosim.blocks.registry import block_names, get_block, plots_of
    from cosim.blocks.sweeps import sweep_options

    if request.block is None:
        raise CosimError("name the block to characterise", key="BLOCK", allowed=block_names())
    block = get_block(request.block)
    _check_units(block.Config, request)
    configs = conditions(block, request.config, request.settings, request.over)
    options = sweep_options(block.characterise, request.sweeps)
    path = request.output or Path(f"{request.block}.nc")
    check_seed(request.seed)
    check_writable(path)
    if request.config is not None and request.config.resolve() == path.resolve():
        raise CosimError("this would write over the settings", file=path, key="--output")
    for key, folder in (("--plots", request.plots), ("--decks", request.decks)):
        if folder is not None:
            check_writable(folder, folder=True, key=key)
    parts = []
    with _pool(request) as pool:
        for number, config in enumerate(configs):
            if len(configs) > 1 and not request.as_json:
                at = ", ".join(f"{name} {getattr(config, name)}" for name in request.over)
                out.print(f"condition {number + 1} of {len(configs)}: {at}")
            parts.append(
                block.characterise(
                    config, seed=request.seed, pool=pool, show_progress=not request.as_json, **options
                )
            )  # fmt: skip
    data = combine(block, configs, list(request.over), parts)
    save_dataset(data, path)
    pictures = write_plots_of(data, plots_of(block), request.plots)
    failed = failed_points(data)
    summary = {
        "block": request.block,
        "file": str(path),
        "dimensions": {str(each): int(size) for each, size in data.sizes.items()},
        "conditions": {name: [getattr(config, name) for config in configs] for name in request.over},
        "figures": figures_of(data, block),
        "failed": failed,
        "status": statuses_of(data),
        "decks": len(deck_hashes(data)),
        "plots": [str(each) for each in pictures],
        "simulator": data.attrs["simulator"],
        "solver": data.attrs["solver"],
        "seed": request.seed,
    }
    if request.as_json:
        print_json(summary)
        return
    _print(block, request, summary)


def _print(block: Any, request: Request, summary: Mapping[str, Any]) -> None:
    print_figures(f"{block.NAME}: {block.DESCRIPTION}", summary["figures"])
    points = ", ".join(f"{count} {text}" for text, count in summary["status"].items())
    out.print(f"{summary['decks']} simulations in {summary['simulator']} ({summary['solver']}); points: {points}")
    if summary["plots"]:
        out.print(f"wrote {len(summary['plots'])} plots into {request.plots}")
    if request.decks is not None:
        out.print(f"wrote the decks into {request.decks}")
    following = f"; next: cosim fit {summary['file']}" if hasattr(block, "fit") and not request.over else ""
    out.print(f"wrote {summary['file']}{following}")


def print_figures(title: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """A table of the smallest, mean and largest value of each figure."""
    table = Table("figure", "smallest", "mean", "largest", title=title)
    for figure, row in figures.items():
        table.add_row(figure, *(quantity(row[each], row["unit"]) for each in ("minimum", "mean", "maximum")))
    out.print(table)


@contextlib.contextmanager
def _pool(request: Request) -> Iterator[Any]:
    from cosim.spice import open_pool
    from cosim.spice.recording import RecordingPool

    with open_pool(
        request.workers, scheduler=request.scheduler, use_cache=request.use_cache, timeout=request.timeout
    ) as pool:
        yield pool if request.decks is None else RecordingPool(pool, request.decks)


def write_plots_of(data: Any, plots: Any, folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    from cosim.reports.characteristics import write_plots

    return write_plots(data, plots, folder)


def statuses_of(data: Any) -> dict[str, int]:
    """How many points ended how, in words."""
    import numpy as np

    from cosim.blocks.status import MEANING

    values, counts = np.unique(data["status"].values, return_counts=True)
    return {MEANING.get(int(value), f"status {value}"): int(count) for value, count in zip(values, counts, strict=True)}


def _check_units(model: Any, request: Request) -> None:
    """A quantity on the command line needs its unit, as in a file."""
    from cosim.validation import is_number, unit_of_key

    given = [(f"--set {name}", name, value) for name, value in request.settings.items()]
    given += [(f"--over {name}", name, value) for name, values in request.over.items() for value in values]
    for option, name, value in given:
        unit = unit_of_key(model, name)
        if unit is not None and unit != "1" and is_number(value):
            raise CosimError(
                "the unit is missing", key=option, value=value,
                allowed=f"a number with a unit of '{unit}', for example '{value:g} {unit}'",
            )  # fmt: skip


def figures_of(data: Any, block: Any) -> dict[str, dict[str, Any]]:
    """Smallest, mean and largest value of each figure; of the block itself, where it holds a yardstick beside it."""
    import numpy as np

    for name, wanted in getattr(block, "SUMMARY_OF", {}).items():
        chosen = np.flatnonzero(data[name].values == wanted)
        if chosen.size:  # none: the yardstick alone was asked for
            data = data.isel({data[name].dims[0]: chosen})
    figures = {}
    for name in _known(block.FIGURES, data):
        values = data[name].values.astype(float)
        if not np.isfinite(values).any():
            continue
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        figures[name] = {
            "minimum": low,
            "mean": min(max(float(np.nanmean(values)), low), high),  # rounding may leave a mean of equals beside them
            "maximum": high,
            "unit": data[name].attrs["units"],
        }
    return figures


def _known(names: Iterable[str], data: Any) -> list[str]:
    return [name for name in names if name in data and data[name].dtype.kind in "fiub"]
