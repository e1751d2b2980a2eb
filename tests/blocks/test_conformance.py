"""What every block promises, held against its smallest characterisation; see conftest.py for the rows."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim import cli
from cosim.blocks.config import load_config
from cosim.blocks.dataset import config_of, load_dataset, save_dataset
from cosim.blocks.registry import BUILT_IN, get_block, plots_of
from cosim.blocks.status import FAILED, MEANING, OK
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool

Smallest = Callable[[str], xr.Dataset]


def stated_units(text: str) -> list[str]:
    """The unit in the brackets at the end of a figure's text, and others where it depends on the settings."""
    assert text.endswith("]"), f"'{text}' does not end with a unit in brackets"
    return re.findall(r"\[([^\[\]]+)\]", text)


def sweeps_of(block: Any) -> dict[str, Any]:
    """Keyword arguments of `characterise` that say how much is swept."""
    parameters = inspect.signature(block.characterise).parameters.values()
    own = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    names = ("seed", "pool", "show_progress")
    return {each.name: each.default for each in own if each.name not in names and each.default is not None}


def test_every_block_has_a_row(cases: Sequence[Any]) -> None:
    assert {each.block for each in cases} >= set(BUILT_IN), "give the block a row in tests/blocks/conftest.py"


def test_every_figure_comes_from_some_row(cases: Sequence[Any]) -> None:
    for name in {each.block for each in cases}:
        always = set.intersection(*({*each.lacks, *each.blank} for each in cases if each.block == name))
        assert not always, f"no row of {name} gives {always}"


def test_the_data_set_keeps_the_contract(case: Any, smallest: Smallest, tmp_path: Path) -> None:
    data = smallest(case.name)
    again = load_dataset(save_dataset(data, tmp_path / "data.nc"), case.block)
    xr.testing.assert_identical(again, data)
    assert data.attrs["seed"] == "3"
    assert data.attrs["deck_hashes"] != "[]"


def test_the_stored_configuration_makes_the_block_again(case: Any, smallest: Smallest) -> None:
    """A data set says what it was made with: its configuration loads, and is what was asked for."""
    block = get_block(case.block)
    stored = {key: value for key, value in config_of(smallest(case.name)).items() if key in block.Config.model_fields}
    assert block.Config(**stored) == load_config(block.Config, None, case.settings)


def test_figures_are_variables_with_the_stated_unit(case: Any, smallest: Smallest) -> None:
    data, block = smallest(case.name), get_block(case.block)
    for name, text in block.FIGURES.items():
        if name in case.lacks:
            assert name not in data
            continue
        assert name in data.data_vars, f"{name} is no variable of the data set"
        assert data[name].attrs["units"] in stated_units(text), name
        assert data[name].dtype.kind in "fiub", name


def test_every_point_has_a_status_and_a_figure_where_it_is_ok(case: Any, smallest: Smallest) -> None:
    data, block = smallest(case.name), get_block(case.block)
    status = data["status"]
    assert set(np.unique(status.values).tolist()) <= set(MEANING)
    assert (status.values == OK).all(), "the smallest characterisation must succeed"
    for name in set(block.FIGURES) - set(case.lacks):
        known = np.isfinite(data[name].values.astype(float)).any()
        assert known or name in case.blank, f"{name} is NaN at points that are ok"
        assert not known or name not in case.blank, f"{name} is known: it need not stand in the row as blank"


def test_sweeps_are_what_the_command_line_takes(case: Any) -> None:
    """`--list` names them, `--sweep` takes them; crossbar's sizes are pairs, which only Python can give."""
    block = get_block(case.block)
    taken = {name for name, default in sweeps_of(block).items() if isinstance(default, int | tuple)}
    assert set(block.SWEEPS) == taken - {"sizes"}
    assert all(text.strip() for text in block.SWEEPS.values())


def test_plots_are_of_variables_that_are_there(case: Any, smallest: Smallest) -> None:
    data, block = smallest(case.name), get_block(case.block)
    plots = plots_of(block)
    assert len({plot.name for plot in plots}) == len(plots)
    drawn = 0
    for plot in plots:
        names = [*plot.y, *(each for each in (plot.x, plot.by) if each), *plot.where]
        if set(names) & set(case.lacks):
            continue
        drawn += 1
        for name in names:
            assert name in data.variables or name in data.dims, f"plot '{plot.name}': {name}"
        units = {data[name].attrs["units"] for name in plot.y}
        assert len(units) == 1, f"plot '{plot.name}' has {units} on one axis"
        assert plot.kind == "histogram" or plot.x is not None, plot.name
    assert drawn or not plots


def test_settings_are_described_and_have_defaults(case: Any) -> None:
    model = get_block(case.block).Config
    load_config(model)
    for name, entry in model.model_fields.items():
        assert entry.description, f"the setting {name} has no description"


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    def simulate(*arguments: object) -> None:
        raise AssertionError("a deck was simulated before the command line was refused")

    monkeypatch.setattr(SimulatorPool, "_schedule", simulate)
    monkeypatch.setattr(sys, "argv", ["cosim", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_a_block_does_not_know_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    block = get_block(name)
    message = refused(monkeypatch, capsys, "characterise", name, "--sweep", "nonsense=1")
    assert "--sweep" in message and "'nonsense'" in message
    for sweep in sweeps_of(block):
        assert sweep in message  # the allowed ones
    message = refused(monkeypatch, capsys, "characterise", name, "--set", "nonsense=1")
    assert "'nonsense'" in message and "unknown key" in message
    message = refused(monkeypatch, capsys, "characterise", name, "--over", "nonsense=1,2")
    assert "--over nonsense" in message
    assert list(tmp_path.iterdir()) == []


class FailingPool(SimulatorPool):
    """Every deck fails."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        keys = [deck.key(self.simulator.deck_identity, klu=self.simulator.klu) for deck in decks]
        return [Result(key, {}, failure, "", 0.0) for key in keys]


def test_failed_simulations_stay_in_the_data_set_as_failed(case: Any, pool: SimulatorPool) -> None:
    """Nothing is dropped and nothing replaced; a block may say at once that not even its operating point is found."""
    with FailingPool(1, use_cache=False, simulator=pool.simulator) as failing:
        try:
            data = case.characterise(failing)
        except CosimError as error:
            assert "Timestep too small" in str(error)
            return
    assert (data["status"].values != OK).all() and (data["status"].values == FAILED).any()
    assert len(json.loads(data.attrs["deck_hashes"])) > 0
    for name in get_block(case.block).FIGURES:
        if name in data and data[name].dtype.kind == "f" and data[name].attrs["units"] != "1":
            known = np.isfinite(data[name].values).any()
            assert not known or name in case.without_simulation, f"{name} has values although every deck failed"
