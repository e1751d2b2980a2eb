"""Plots of data sets as blocks describe them."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.plots import Plot
from cosim.errors import CosimError
from cosim.reports.characteristics import draw, write_plots
from cosim.reports.style import plotting


def variable(dims: tuple[str, ...], values: object, unit: str, name: str) -> xr.Variable:
    return xr.Variable(dims, values, {"units": unit, "long_name": name})


@pytest.fixture
def data() -> xr.Dataset:
    rng = np.random.default_rng(1)
    v = np.linspace(0, 0.3, 7)
    corners = np.array(["TT", "FF", "SS"], dtype=object)
    return xr.Dataset(
        {
            "current": variable(("corner", "chip", "v"), 1e-6 * v * rng.uniform(1, 2, (3, 9, 1)), "A", "cell current"),
            "offset": variable(("corner", "chip"), rng.normal(0, 3e-3, (3, 9)), "V", "input offset"),
            "nothing": variable(("chip",), np.full(9, np.nan), "V", "never found"),
        },
        coords={
            "v": variable(("v",), v, "V", "voltage"),
            "corner": variable(("corner",), corners, "1", "corner"),
            "group": variable(("chip",), np.array([0, 0, 0, 1, 1, 1, 1, 1, 1]), "1", "lot"),
        },
    )


def lines(data: xr.Dataset, plot: Plot) -> list[object]:
    with plotting():
        panel = draw(data, plot)
    assert panel is not None
    return list(panel.figure.axes[0].lines)


def test_a_line_for_every_other_point_and_a_name_for_every_value_of_by(data: xr.Dataset) -> None:
    plot = Plot("iv", "I-V", ("current",), "v", by="corner")
    drawn = lines(data, plot)
    assert len(drawn) == 27
    labels = [line.get_label() for line in drawn if not line.get_label().startswith("_")]  # type: ignore[attr-defined]
    assert labels == ["TT", "FF", "SS"]


def test_axes_carry_long_names_and_units_with_prefix(data: xr.Dataset) -> None:
    with plotting():
        panel = draw(data, Plot("iv", "I-V", ("current",), "v"))
    assert panel is not None
    axes = panel.figure.axes[0]
    assert axes.get_xlabel() == "voltage [mV]"
    assert axes.get_ylabel() == "cell current [nA]"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), np.linspace(0, 300, 7))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), data["current"].values[0, 0] * 1e9)


def test_only_what_is_asked_for_is_shown(data: xr.Dataset) -> None:
    assert len(lines(data, Plot("iv", "I-V", ("current",), "v", where={"corner": "SS", "group": 1}))) == 6


def test_by_a_coordinate_that_is_no_dimension(data: xr.Dataset) -> None:
    drawn = lines(data, Plot("offsets", "offset", ("offset",), "group", by="corner", kind="points"))
    assert len(drawn) == 3
    assert all(line.get_linestyle() == "None" for line in drawn)  # type: ignore[attr-defined]


def test_a_text_axis_has_its_words_as_ticks(data: xr.Dataset) -> None:
    with plotting():
        panel = draw(data, Plot("offsets", "offset", ("offset",), "corner"))
    assert panel is not None
    assert [tick.get_text() for tick in panel.figure.axes[0].get_xticklabels()] == ["TT", "FF", "SS"]


def test_a_histogram_states_mean_and_sigma(data: xr.Dataset) -> None:
    with plotting():
        panel = draw(data, Plot("offset", "offset", ("offset",), kind="histogram"))
    assert panel is not None
    label = panel.figure.axes[0].lines[0].get_label()
    values = data["offset"].values * 1e3
    assert f"sigma {values.std(ddof=1):.3g} mV" in label and f"mean {values.mean():.3g} mV" in label


def test_an_image(data: xr.Dataset) -> None:
    with plotting():
        panel = draw(data, Plot("map", "offset", ("offset",), kind="image"))
    assert panel is not None
    assert panel.figure.axes[0].images[0].get_array().shape == (3, 9)


def test_files_are_written_and_what_was_never_found_is_left_out(data: xr.Dataset, tmp_path: Path) -> None:
    plots = [Plot("iv", "I-V", ("current",), "v"), Plot("none", "nothing", ("nothing",), kind="histogram")]
    assert write_plots(data, plots, tmp_path / "new") == [tmp_path / "new" / "iv.svg"]
    text = (tmp_path / "new" / "iv.svg").read_text()
    assert text.startswith("<?xml") and "cell current" in text
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["iv.svg"]


def test_a_plot_of_something_else_is_refused(data: xr.Dataset) -> None:
    with plotting(), pytest.raises(CosimError, match="has no 'voltage' to draw"):
        draw(data, Plot("iv", "I-V", ("voltage",), "v"))
