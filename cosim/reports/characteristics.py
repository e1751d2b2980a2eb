"""Pictures of a data set as its block describes them (`cosim.blocks.plots.Plot`)."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cosim.blocks.plots import Plot
from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.reports.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, Panel, add_legend, new_panel, plotting
from cosim.reports.svg import to_svg

Array = NDArray[np.float64]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, MUTED)
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
LEAST_LOG_SPAN = 3.0  # of a logarithmic axis
LONGEST_ENTRY = 24  # letters of a legend's entry that still stands beside others
MOST_NAMED = len(COLOURS)  # lines with names of their own; more of them share a colour scale
_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


@dataclass(frozen=True)
class _Scale:
    """A unit with the prefix that suits the values."""

    factor: float
    unit: str

    @classmethod
    def of(cls, values: Array, unit: str, log: bool = False) -> _Scale:
        """`log`: of a logarithmic axis, whose ticks are powers of ten anyway."""
        finite = np.abs(values[np.isfinite(values)])
        largest = float(finite.max()) if finite.size else 0.0
        if unit == "ohm":
            unit = "Ω"
        if not (unit.isalpha() or "*" in unit or unit == "Ω") or unit in ("LSB", "degC") or largest == 0.0 or log:
            return cls(1.0, {"degC": "°C", "1": ""}.get(unit, unit))
        exponent = min(max(3 * math.floor(math.log10(largest) / 3 + 1e-9), min(_PREFIXES)), max(_PREFIXES))
        return cls(10.0**-exponent, _PREFIXES[exponent] + unit.replace("*", " "))


def write_plots(data: xr.Dataset, plots: Sequence[Plot], folder: str | Path) -> list[Path]:
    """Draw every plot of a data set as SVG into a folder; the files.

    Left out are plots without any finite value, and those of variables that this data set does not have: a block need
    not measure everything of every device.
    """
    written = []
    with plotting():
        for plot in plots:
            panel = draw(data, plot) if set(plot.y) <= set(data.variables) else None
            if panel is not None:
                path = Path(folder) / f"{plot.name}.svg"
                written.append(write_atomically(path, partial(_write, to_svg(panel.figure))))
    return written


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def draw(data: xr.Dataset, plot: Plot) -> Panel | None:
    """One picture; None when there is nothing finite to draw. Call it inside `plotting()`.

    Raises CosimError when the plot names a variable that the data set does not have.
    """
    wanted = [*plot.y, *plot.where, *(each for each in (plot.x, plot.by) if each is not None)]
    for name in wanted:
        if name not in data.variables and name not in data.dims:
            allowed = [str(each) for each in data.variables]
            raise CosimError(f"the data set has no '{name}' to draw", key=f"plot {plot.name}", allowed=allowed)
    shown = _where(data, plot)
    values = [shown[name].values.astype(np.float64) for name in plot.y]
    if not any(np.isfinite(each).any() for each in values):
        return None
    plot = _readable(plot, shown, values)
    unit = shown[plot.y[0]].attrs.get("units", "1")
    scale = _Scale.of(np.concatenate([each.ravel() for each in values]), unit, plot.log_y)
    label = _long_name(shown, plot.y[0]) if len(plot.y) == 1 else ""
    if plot.kind == "histogram":
        figure = _histogram(plot, values[0], scale, label)
    elif plot.kind == "image":
        figure = _image(plot, shown, scale, label)
    else:
        figure = _lines(plot, shown, scale, label)
    return Panel(plot.name, figure, plot.title)


def _long_name(data: xr.Dataset, name: str) -> str:
    return str(data[name].attrs.get("long_name", name)) if name in data.variables else name


def _readable(plot: Plot, data: xr.Dataset, values: Sequence[Array]) -> Plot:
    """The plot as this data set is best shown.

    A logarithmic axis of values that are hardly apart shows ticks of equal names, and needs positive values; where the
    data were taken under conditions (`cosim.blocks.over`) these tell the lines apart if nothing else does.
    """
    spread = np.concatenate([each[np.isfinite(each)] for each in values])
    log_y = plot.log_y and bool((spread > 0).all()) and float(spread.max() / spread.min()) > LEAST_LOG_SPAN
    taken = [name for name in json.loads(data.attrs.get("conditions", "{}")) if name in data.dims]
    by = taken[0] if plot.by is None and taken and plot.x not in taken and plot.kind != "image" else plot.by
    return replace(plot, log_y=log_y, by=by)


def _axis(label: str, scale: _Scale, width: int = 62) -> str:
    text = f"{label} [{scale.unit}]".strip() if scale.unit else label
    return "\n".join(_wrapped(text, width))


def _wrapped(text: str, width: int) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(text, width, break_long_words=False) or [""]


def _where(data: xr.Dataset, plot: Plot) -> xr.Dataset:
    """The part of the data that the plot shows."""
    for name, wanted in plot.where.items():
        if name not in data.variables:
            data = data.isel({name: wanted})
            continue
        of = data[name]
        if of.ndim != 1:
            raise CosimError("a plot can choose by a coordinate of one dimension", key=f"plot {plot.name}", value=name)
        data = data.isel({of.dims[0]: np.flatnonzero(of.values == wanted)})
    return data


def _panel(plot: Plot, x: str, y: str) -> tuple[Figure, Axes]:
    figure, axes = new_panel("\n".join(_wrapped(plot.title, 46)), x, y)
    if plot.log_x:
        axes.set_xscale("log")
    if plot.log_y:
        axes.set_yscale("log")
    return figure, axes


def _histogram(plot: Plot, values: Array, scale: _Scale, label: str) -> Figure:
    finite = values[np.isfinite(values)] * scale.factor
    figure, axes = _panel(plot, _axis(label, scale), "count")
    axes.hist(finite, bins="auto" if finite.size > 12 else max(4, finite.size), color=BLUE, alpha=0.8)
    mean, sigma = float(finite.mean()), float(finite.std(ddof=1)) if finite.size > 1 else math.nan
    axes.axvline(mean, color=ORANGE, ls="--", label=f"mean {mean:.3g} {scale.unit}, sigma {sigma:.3g} {scale.unit}")
    add_legend(figure)
    return figure


def _image(plot: Plot, data: xr.Dataset, scale: _Scale, label: str) -> Figure:
    values = data[plot.y[0]]
    while values.ndim > 2:
        values = values.isel({values.dims[0]: 0})
    rows, columns = (str(dim) for dim in values.dims)
    figure, axes = _panel(plot, columns, rows)
    axes.grid(False)
    image = axes.imshow(values.values * scale.factor, aspect="auto", interpolation="nearest", cmap="viridis")
    bar = figure.colorbar(image, ax=axes)
    bar.set_label(_axis(label, scale))
    return figure


@dataclass(frozen=True)
class _Series:
    """Points of one line; `name` is the value of `by`, `number` its place among these."""

    x: Array
    y: Array
    name: str
    number: int


def _lines(plot: Plot, data: xr.Dataset, scale: _Scale, label: str) -> Figure:
    assert plot.x is not None, "a line has a horizontal axis"
    along = data[plot.x] if plot.x in data.variables else xr.DataArray(np.arange(data.sizes[plot.x]), dims=plot.x)
    text = bool(along.dtype.kind in "OUS")
    ticks = [str(each) for each in along.values] if text else None
    if text:
        along = xr.DataArray(np.arange(along.size), dims=along.dims, attrs=along.attrs)
    x_scale = _Scale.of(along.values.astype(np.float64), along.attrs.get("units", "1"), plot.log_x)
    figure, axes = _panel(plot, _axis(along.attrs.get("long_name", plot.x), x_scale), _axis(label, scale, 46))
    if along.dtype.kind in "iu":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    names = _names(plot, data)
    for number, y in enumerate(plot.y):
        series = list(_series(data[y], along, plot, data, names))
        crowd = max((sum(each.number == one for each in series) for one in {each.number for each in series}), default=1)
        labelled: set[int] = set()
        for each in series:
            if not np.isfinite(each.y).any():
                continue  # what was not measured needs no entry in the legend
            style = each.number if len(plot.y) == 1 else number
            quantity = "\n".join(_wrapped(_long_name(data, y), 58))
            named = each.name if len(plot.y) == 1 else (quantity if plot.by is None else f"{quantity}, {each.name}")
            colour = _colour(each.number, len(names)) if len(plot.y) == 1 else COLOURS[number % len(COLOURS)]
            show = _is_named(each.number, len(names)) and each.number not in labelled and (plot.by or len(plot.y) > 1)
            labelled.add(each.number)
            dashes = DASHES[style % len(DASHES)] if len(names) <= MOST_NAMED else "-"
            axes.plot(
                each.x * x_scale.factor,
                each.y * scale.factor,
                color=colour,
                ls=dashes if plot.kind == "line" else "none",
                marker=MARKERS[style % len(MARKERS)] if plot.kind == "points" or each.x.size <= 24 else None,
                ms=3 if crowd < 8 else 2,
                lw=1.4 if crowd < 8 else 0.8,
                alpha=1.0 if crowd < 8 else 0.45,
                label=named if show else None,
            )  # fmt: skip
    if ticks is not None:
        axes.set_xticks(range(len(ticks)), ticks)
    if plot.by or len(plot.y) > 1:
        entries = [str(line.get_label()) for line in axes.lines if not str(line.get_label()).startswith("_")]
        add_legend(figure, 1 if any(len(each) > LONGEST_ENTRY for each in entries) else 3)
    return figure


def _names(plot: Plot, data: xr.Dataset) -> list[Any]:
    """The values of `by` in the order of their appearance; [None] without one."""
    if plot.by is None:
        return [None]
    if plot.by not in data.variables:
        return list(range(data.sizes[plot.by]))
    return list(dict.fromkeys(data[plot.by].values.ravel().tolist()))


def _series(
    values: xr.DataArray, along: xr.DataArray, plot: Plot, data: xr.Dataset, names: list[Any]
) -> Iterator[_Series]:
    dimension = along.dims[-1]
    if dimension not in values.dims:
        raise CosimError(f"'{values.name}' does not run along '{plot.x}'", key=f"plot {plot.name}")
    values, along = xr.broadcast(values, along)
    others = [dim for dim in values.dims if dim != dimension]
    values, along = values.transpose(*others, dimension), along.transpose(*others, dimension)
    by = None
    if plot.by is not None:
        of = data[plot.by] if plot.by in data.variables else xr.DataArray(np.arange(data.sizes[plot.by]), dims=plot.by)
        by = of.broadcast_like(values).transpose(*others, dimension)
    for index in itertools.product(*(range(size) for size in values.shape[:-1])):
        x, y = along.values[index].astype(np.float64), values.values[index].astype(np.float64)
        if by is None:
            groups: list[tuple[int, Any]] = [(0, slice(None))]
        else:
            here = by.values[index]
            groups = [(names.index(name), here == name) for name in dict.fromkeys(here.tolist())]
        for number, chosen in groups:
            yield _Series(x[chosen], y[chosen], _by_text(plot, data, names[number]), number)


def _by_text(plot: Plot, data: xr.Dataset, value: Any) -> str:
    if plot.by is None or value is None:
        return ""
    attributes = data[plot.by].attrs if plot.by in data.variables else {}
    if plot.by == "chip" and value == -1:
        return "nominal"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        scale = _Scale.of(np.array([value]), attributes.get("units", "1"))
        if not scale.unit:
            return f"{plot.by} {value:.4g}".replace("_", " ")
        return f"{value * scale.factor:.4g} {scale.unit}".strip()
    return f"{plot.by} {value}".replace("_", " ")


def _is_named(number: int, count: int) -> bool:
    """Every line has a name when there are few, else about six of them, evenly chosen."""
    if count <= MOST_NAMED:
        return True
    return number in {round(each) for each in np.linspace(0, count - 1, MOST_NAMED)}


def _colour(number: int, count: int) -> Any:
    if count <= MOST_NAMED:
        return COLOURS[number]
    return matplotlib.colormaps["viridis"](0.05 + 0.85 * number / (count - 1))
