"""The characterisation: every threshold bracketed in ngspice, figures that follow, failures that stay visible."""

import inspect
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks import ramp_adc
from cosim.blocks.dataset import config_of, deck_hashes, load_dataset, save_dataset
from cosim.blocks.ramp_adc import characterisation, measurement
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.blocks.ramp_adc.fitting import fit
from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds, output_error
from cosim.blocks.ramp_adc.measurement import TOLERANCE, Sample, find_thresholds, lsb_voltages, threshold_deck
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.commands.characterise import figures_of
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool

Array = NDArray[np.float64]

CONFIG = RampAdcConfig(bits=3)


def test_the_data_set_keeps_the_contract(three_bits: xr.Dataset, tmp_path: Path) -> None:
    data = three_bits
    assert (data["status"].values == 0).all()
    assert dict(data.sizes) == {"sample": 18, "code": 7, "step": 6, "cell": 6, "bias_cell": 3}
    np.testing.assert_array_equal(data["chip"].values, [-1, *range(8), -1, 0, 1, -1, 0, 1, -1, -1, -1])
    np.testing.assert_array_equal(data["v_read"].values, [*[0.2] * 9, *[0.15] * 3, *[0.25] * 3, 0.2, 0.15, 0.25])
    np.testing.assert_array_equal(data["ramp"].values, [*["column"] * 15, *["fixed"] * 3])
    np.testing.assert_array_equal(data["code"].values, np.arange(1, 8))
    units = {name: data[name].attrs["units"] for name in ("threshold", "bracket", "inl", "dnl", "ramp_conductance")}
    assert units == {"threshold": "V", "bracket": "V", "inl": "LSB", "dnl": "LSB", "ramp_conductance": "S"}
    assert set(ramp_adc.FIGURES) <= set(data.data_vars) and set(ramp_adc.SWEEPS) == set(sweeps_of(ramp_adc))
    assert config_of(data)["bias_sign"] == -1 and config_of(data)["bits"] == 3
    assert len(set(deck_hashes(data))) == len(deck_hashes(data)) >= 1 + 18 * 3
    xr.testing.assert_identical(load_dataset(save_dataset(data, tmp_path / "adc.nc"), "ramp_adc"), data)


def sweeps_of(block: Any) -> list[str]:
    parameters = inspect.signature(block.characterise).parameters.values()
    others = ("seed", "pool", "show_progress")
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.name not in others]


def test_groups_tell_the_chips_from_what_stands_beside_them(three_bits: xr.Dataset) -> None:
    """The plots of the chips show each chip once, as configured; so their spread is that of the chips."""
    expected = ["nominal", *["chips"] * 8, *["v_read"] * 6, *["fixed"] * 3]
    assert three_bits["group"].values.tolist() == expected
    of_chips = {plot.name for plot in ramp_adc.PLOTS if plot.where == {"group": "chips"}}
    assert of_chips == {"inl", "dnl", "noise", "offset"}
    np.testing.assert_array_equal(three_bits["step"].values, np.arange(1, 7))


def test_the_summary_is_of_the_column(three_bits: xr.Dataset) -> None:
    """Without the yardstick; of the yardstick where nothing else was asked for."""
    column = three_bits["ramp"].values == "column"
    inl = three_bits["inl"].values
    assert np.abs(inl[~column]).max() > np.abs(inl[column]).max()  # or the choice would not show
    figures = figures_of(three_bits, ramp_adc)
    assert (figures["inl"]["minimum"], figures["inl"]["maximum"]) == (inl[column].min(), inl[column].max())
    fixed = figures_of(three_bits.isel(sample=~column), ramp_adc)
    assert fixed["inl"]["maximum"] == inl[~column].max()


@pytest.mark.parametrize("name", ["three_bits", "four_bits"])
def test_every_threshold_is_bracketed(request: pytest.FixtureRequest, name: str) -> None:
    data: xr.Dataset = request.getfixturevalue(name)
    config = RampAdcConfig(**{k: v for k, v in config_of(data).items() if k in RampAdcConfig.model_fields})
    widest = np.array([TOLERANCE * lsb_voltages(config, float(gain)) for gain in data["gain"].values])
    bracket = data["bracket"].values
    assert (bracket > 0).all() and (bracket <= widest * (1 + 1e-9)).all()
    assert (np.diff(data["threshold"].values) > 0).all()
    assert data["rounds"].values.max() <= 8 and np.median(data["rounds"].values) <= 3


def test_what_is_recorded_is_what_the_comparator_decides(three_bits: xr.Dataset, pool: SimulatorPool) -> None:
    """Inputs half a bracket below each threshold give a low output at its clock, above it a high one."""
    design = design_column(CONFIG)
    sample = Sample(-1, nominal_chip(CONFIG, design=design), 0, CONFIG)
    threshold, bracket = three_bits["threshold"].values[0], three_bits["bracket"].values[0]
    decks = [threshold_deck(sample, threshold + side * bracket / 2, design) for side in (-1, 1)]
    for result, expected in zip(pool.run(decks), (False, True), strict=True):
        assert result.ok
        high = [result[f"v(d{k % 4})"][k] > CONFIG.v_dd / 2 for k in range(7)]
        assert high == [expected] * 7


def test_figures_follow_from_thresholds(three_bits: xr.Dataset) -> None:
    data = three_bits
    gain = data["gain"].values
    np.testing.assert_allclose(gain, design_column(CONFIG).gain_per_volt * data["v_read"].values, rtol=1e-12)
    x = data["threshold"].values / gain[:, None]
    np.testing.assert_array_equal(data["threshold_mac"].values, x)
    column = data["ramp"].values == "column"
    function = get_function("sigmoid")
    # By hand: (g(x_k) - k / 8) in units of 1 / 8; DNL is its difference from threshold to threshold.
    by_hand = 8 / (1 + np.exp(-x[column])) - np.arange(1, 8)
    np.testing.assert_allclose(data["inl"].values[column], by_hand, atol=1e-12)
    np.testing.assert_allclose(output_error(function, 3, x[column]), by_hand, atol=1e-12)
    np.testing.assert_allclose(data["dnl"].values, np.diff(data["inl"].values), atol=1e-9)
    ideal = ideal_thresholds(function, 3)
    straight = np.linspace(ideal[0], ideal[-1], 7)
    expected = (x[~column] - straight) / (straight[1] - straight[0])
    np.testing.assert_allclose(data["inl"].values[~column], expected, atol=1e-12)


def test_levels_and_energies_are_those_of_the_column(three_bits: xr.Dataset) -> None:
    data = three_bits
    column = np.flatnonzero(data["ramp"].values == "column")
    for n in column:
        ramp, bias = data["ramp_conductance"].values[n], data["bias_conductance"].values[n]
        config = CONFIG.model_copy(update={"v_read": float(data["v_read"].values[n])})
        np.testing.assert_allclose(data["ramp_level"].values[n], column_levels(ramp, bias, -1, config), atol=40e-6)
        energy = config.v_read**2 * config.t_pulse * (ramp.sum() + bias.sum())
        assert data["ramp_energy"].values[n] == pytest.approx(energy, rel=0.01)  # the amplifier takes up to 0.5 %
    energies = data["comparator_energy"].values[column]
    assert energies.min() > 25e-12 and energies.max() < 45e-12  # 3 V_DD I_bias at most, over 0.26 us
    assert np.isnan(data["comparator_energy"].values).sum() == 0


def test_the_read_voltage_moves_no_threshold_but_those_of_a_fixed_ramp(three_bits: xr.Dataset) -> None:
    inl, chip, v_read = (three_bits[name].values for name in ("inl", "chip", "v_read"))
    fixed = three_bits["ramp"].values == "fixed"
    for number in (-1, 0, 1):
        mine = ~fixed & (chip == number)
        at_nominal = inl[mine & (v_read == 0.2)][0]
        # What is left: the comparator's offset and overdrive are volts, and count for more LSB where alpha is smaller.
        assert 0 < np.abs(inl[mine] - at_nominal).max() <= 0.1
    moved = np.abs(inl[fixed] - inl[fixed & (v_read == 0.2)][0]).max(axis=1)
    np.testing.assert_allclose(moved[1:], [1.0, 0.6], atol=0.05)  # 3 steps from the middle: 3 / 0.75 - 3, 3 - 3 / 1.25


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    attributes = [{**each.attrs, "created": ""} for each in (one, other)]
    assert attributes[0] == attributes[1]
    xr.testing.assert_identical(one.drop_attrs(deep=False), other.drop_attrs(deep=False))


def test_one_worker_and_two_give_the_same_data_set_bit_for_bit(pool: SimulatorPool) -> None:
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 3, "v_reads": (), "seed": 9, "show_progress": False}
    two = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as single:
        same(characterise(config, pool=single, **arguments), two)  # type: ignore[arg-type]
    assert (two["status"].values == 0).all()
    more = characterise(config, pool=pool, chips=4, v_reads=(), seed=9, show_progress=False)
    np.testing.assert_array_equal(more["ramp_conductance"].values[:4], two["ramp_conductance"].values)
    other = characterise(config, pool=pool, chips=3, v_reads=(), seed=10, show_progress=False)
    assert not np.array_equal(other["ramp_conductance"].values[1], two["ramp_conductance"].values[1])
    np.testing.assert_array_equal(other["threshold"].values[0], two["threshold"].values[0])  # the nominal chip


class FailingPool(SimulatorPool):
    """Every conversion of the chips named fails."""

    broken: tuple[int, ...] = ()

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = super().run(decks, label)
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        hit = [any(f"chip {number} " in deck.title for number in self.broken) for deck in decks]
        return [replace(r, failure=failure, signals={}) if h else r for r, h in zip(results, hit, strict=True)]


def test_a_failed_simulation_stays_in_the_data_set_and_costs_no_other(pool: SimulatorPool) -> None:
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 3, "v_reads": (), "seed": 9, "show_progress": False}
    whole = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    with FailingPool(2, use_cache=False, simulator=pool.simulator) as failing:
        failing.broken = (1,)
        data = characterise(config, pool=failing, **arguments)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data["status"].values, [0, 0, 1, 0])
    for name in ("threshold", "threshold_mac", "bracket", "inl", "dnl", "comparator_energy", "ramp_energy"):
        assert np.isnan(data[name].values[2]).all()
        np.testing.assert_array_equal(data[name].values[[0, 1, 3]], whole[name].values[[0, 1, 3]])
    assert np.isfinite(data["ramp_conductance"].values).all()


@pytest.mark.parametrize("broken", [-1, 1])
def test_a_comparator_without_a_static_trip_point_costs_its_own_sample(
    broken: int, pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mismatch that is no number: ngspice refuses the deck of all comparators, and then that of this one alone."""
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 2, "v_reads": (), "seed": 9, "show_progress": False}
    whole = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]

    def spoilt(chip: Chip) -> Chip:
        return replace(chip, mismatch=np.full_like(chip.mismatch, np.nan))

    if broken < 0:
        monkeypatch.setattr(characterisation, "nominal_chip", lambda *a, **k: spoilt(nominal_chip(*a, **k)))
    else:
        monkeypatch.setattr(
            characterisation, "draw_chips", lambda *a, **k: [(c := draw_chips(*a, **k))[0], spoilt(c[1])]
        )
    data = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    lost = data["chip"].values == broken
    assert lost.sum() == 1
    np.testing.assert_array_equal(data["status"].values, np.where(lost, FAILED, OK))
    for name in ("threshold", "inl", "dnl", "comparator_offset", "comparator_energy", "missing_codes", "ramp_level"):
        assert np.isnan(data[name].values[lost]).all() and np.isfinite(data[name].values[~lost]).all()
    # Offsets agree to the reltol of 1e-6 of 1 V, thresholds to their brackets.
    apart = np.abs(data["comparator_offset"].values - whole["comparator_offset"].values)[~lost]
    assert apart.max() < 2e-6
    off = np.abs(data["threshold"].values - whole["threshold"].values)[~lost]
    assert (off <= ((data["bracket"].values + whole["bracket"].values) / 2)[~lost]).all()
    # The noise is that of the nominal comparator.
    assert np.isnan(float(data["comparator_noise"])) == (broken < 0)
    assert int(data["noise_status"]) == (FAILED if broken < 0 else OK)


class FailingFinerPool(SimulatorPool):
    """Every conversion with halved time steps of one chip fails."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = super().run(decks, label)
        hit = [label is not None and "halved" in label and "chip 0 " in deck.title for deck in decks]
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        return [replace(r, failure=failure, signals={}) if h else r for r, h in zip(results, hit, strict=True)]


def test_a_failure_with_halved_steps_leaves_no_figure(pool: SimulatorPool) -> None:
    with FailingFinerPool(2, use_cache=False, simulator=pool.simulator) as failing:
        data = characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=failing)
    np.testing.assert_array_equal(data["status"].values, [OK, FAILED])
    np.testing.assert_array_equal(data["energy_status"].values, [OK, FAILED])
    for name in ("threshold", "inl", "comparator_energy", "bias_energy", "ramp_energy"):
        assert np.isnan(data[name].values[1]).all() and np.isfinite(data[name].values[0]).all()


def test_a_threshold_that_is_not_found_is_a_failure(pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "MOST_ROUNDS", 2)
    data = characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == NOT_FOUND).all() and np.isnan(data["threshold"].values).all()
    assert np.isnan(data["missing_codes"].values).all()
    assert (data["energy_status"].values == NOT_FOUND).all()


@pytest.fixture(scope="module")
def shipped() -> str:
    return read_netlist("comparator_two_stage")


def test_a_comparator_of_the_users_own_is_searched_by_its_sign(
    shipped: str, three_bits: xr.Dataset, pool: SimulatorPool, tmp_path: Path
) -> None:
    """The shipped netlist by path and without its `* probes` line: the same thresholds from the output's sign alone."""
    mine = tmp_path / "my comparator.cir"
    mine.write_text(re.sub(r"(?im)^\* probes.*\n", "", shipped))
    config = RampAdcConfig(bits=3, comparator=str(mine))
    data = characterise(config, chips=1, v_reads=(), seed=4, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    assert data["rounds"].values.max() > three_bits["rounds"].values.max()
    assert (data["bracket"].values <= 0.005 * lsb_voltages(CONFIG, float(data["gain"].values[0])) * (1 + 1e-9)).all()
    # Two brackets of the same threshold overlap.
    apart = np.abs(data["threshold"].values - three_bits["threshold"].values[:2])
    assert (apart <= (data["bracket"].values + three_bits["bracket"].values[:2]) / 2).all()
    assert config_of(data)["comparator"] == str(mine)
    assert (data["energy_status"].values == OK).all()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            lambda text: text.replace("comparator inp inn out bias vdd vss", "comparator inp inn out bias vdd"),
            "has other pins.*Allowed: inp inn out bias vdd vss",
        ),
        (
            lambda text: text.replace(".subckt comparator inp", ".subckt my_comparator inp"),
            "no subcircuit 'comparator'",
        ),
        (lambda text: text.replace("{dvt1}", "{dvt99}"), r"Undefined parameter \[dvt99\]|dvt99"),
        (lambda text: text.replace(" nmos w=8u", " nmos_of_another_kit w=8u"), "nmos_of_another_kit"),
        (lambda text: text.replace("xm1 d1", "r1 d1\nxm1 d1"), "r1 d1"),
    ],
)
def test_a_comparator_that_cannot_be_simulated_is_one_clear_error(
    shipped: str, pool: SimulatorPool, tmp_path: Path, edit: object, says: str
) -> None:
    mine = tmp_path / "mine.cir"
    mine.write_text(edit(shipped))  # type: ignore[operator]
    with pytest.raises(CosimError, match=f"(?i){says}") as caught:
        characterise(RampAdcConfig(bits=2, comparator=str(mine)), chips=1, v_reads=(), pool=pool, show_progress=False)
    assert caught.value.file is not None and Path(caught.value.file).is_file()


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        ({"chips": 0}, "key 'chips': value 0"),
        ({"columns": 0}, "key 'columns': value 0"),
        ({"v_read_chips": -1}, "key 'v_read_chips': value -1"),
        ({"v_reads": (0.2, 2.0)}, "key 'v_reads': value 2.0.*0.01 to 0.5 V"),
        ({"v_reads": (float("nan"),)}, "key 'v_reads': value nan"),
        ({"c_fbs": (0.0,)}, "key 'c_fbs': value 0.0.*F"),
    ],
)
def test_sweeps_out_of_range(sweep: dict[str, Any], says: str) -> None:
    with pytest.raises(CosimError, match=says):
        characterise(CONFIG, **sweep)


def test_a_pulse_that_does_not_fit_the_clock_is_refused_at_once() -> None:
    with pytest.raises(CosimError, match=r"key 't_clock': value '20 ns'.*at least 21 ns"):
        RampAdcConfig(t_pulse=20e-9)


def test_an_ordinary_linear_converter_by_itself(pool: SimulatorPool) -> None:
    """`ramp = "fixed"`: every chip has the reference's straight ramp, and errs by its comparator alone."""
    config = RampAdcConfig(bits=2, ramp="fixed")
    data = characterise(config, chips=2, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == 0).all() and set(data["ramp"].values) == {"fixed"}
    levels = data["ramp_level"].values
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0, 0], rtol=1e-6)
    step = np.diff(levels)[0, 0]
    moved = (data["threshold"].values - levels - data["comparator_offset"].values[:, None]) / step
    assert np.abs(moved).max() < 0.1  # [LSB]: the comparator's lag behind the staircase
    assert np.isnan(float(data["integrator_energy"])) and (data["missing_codes"].values == 0).all()


def test_the_feedback_capacitor_cancels_as_the_read_voltage_does(pool: SimulatorPool) -> None:
    """Ramp and MAC result are both on C_fb: 20 % less moves the fixed ramp by up to 0.6 LSB, the column's by the
    comparator's millivolts alone. Two comparators of the chip share its ramp and differ in their offset.
    """
    config = RampAdcConfig(bits=3)
    data = characterise(
        config, chips=1, columns=2, v_reads=(), v_read_chips=1, c_fbs=(4e-12,), seed=4, pool=pool, show_progress=False
    )
    assert (data["status"].values == 0).all()
    np.testing.assert_array_equal(data["chip"].values, [-1, 0, 0, -1, 0, -1, -1])
    np.testing.assert_array_equal(data["column"].values, [0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(data["c_fb"].values, 1e-12 * np.array([5, 5, 5, 4, 4, 5, 4]))
    gain, inl = data["gain"].values, data["inl"].values
    np.testing.assert_allclose(gain[[3, 4, 6]], gain[0] * 5 / 4, rtol=1e-12)
    assert np.abs(inl[3] - inl[0]).max() < 0.05 and np.abs(inl[4] - inl[1]).max() < 0.05
    # 3 steps from the middle, and 3 / 1.25 of them are left.
    assert np.abs(inl[6] - inl[5]).max() == pytest.approx(0.6, abs=0.05)
    levels, offset = data["ramp_level"].values, data["comparator_offset"].values
    np.testing.assert_allclose(levels[2], levels[1], atol=2e-6)
    moved = data["threshold"].values[2] - data["threshold"].values[1]
    np.testing.assert_allclose(moved, offset[2] - offset[1], atol=0.2e-3)


class FinerPool(SimulatorPool):
    """The same decks with a tenth of the tolerances and a quarter of the time step."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        return super().run([self._finer(deck) for deck in decks], label)

    @staticmethod
    def _finer(deck: Deck) -> Deck:
        if not deck.analyses[0].startswith(".tran"):
            return deck
        t = deck.tolerances
        word, step, *rest = deck.analyses[0].split()
        finer = deck.with_tolerances(
            reltol=t.reltol / 10, vntol=t.vntol / 10, abstol=t.abstol / 10, chgtol=t.chgtol / 10
        )
        return replace(finer, analyses=(" ".join((word, f"{float(step) / 4:.9g}", *rest)),))


def nominal_thresholds(config: RampAdcConfig, pool: SimulatorPool) -> Array:
    """Thresholds of the nominal chip [LSB of the output, error]."""
    design = design_column(config)
    found, _ = find_thresholds([Sample(-1, nominal_chip(config, design=design), 0, config)], design, pool)
    assert found[0].search.done.all()
    return output_error(get_function(config.function), config.bits, found[0].search.value / design.gain(config.v_read))


@pytest.fixture
def sharper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the bracket, so that differences of 0.001 LSB can be seen."""
    monkeypatch.setattr(measurement, "TOLERANCE", 0.0005)


@pytest.mark.usefixtures("sharper")
@pytest.mark.parametrize(
    "config",
    [CONFIG, pytest.param(RampAdcConfig(function="tanh"), marks=pytest.mark.slow)],
    ids=["3 bits, sigmoid", "5 bits, tanh"],
)
def test_finer_steps_and_tolerances_move_no_threshold(config: RampAdcConfig, pool: SimulatorPool) -> None:
    usual = nominal_thresholds(config, pool)
    with FinerPool(1, use_cache=False, simulator=pool.simulator) as finer:
        fine = nominal_thresholds(config, finer)
    assert np.abs(fine - usual).max() < 0.005  # [LSB], the width of a bracket; two brackets of 0.0005 are within


@pytest.mark.usefixtures("sharper")
def test_a_comparator_that_moves_on_forgets(pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four lanes that move from threshold to threshold, against one comparator a threshold that never moves."""
    config = RampAdcConfig(bits=4)
    lanes = nominal_thresholds(config, pool)
    monkeypatch.setattr(measurement, "LANES", 15)
    held = nominal_thresholds(config, pool)
    assert np.abs(lanes - held).max() < 0.005  # [LSB]


CORNERS: list[dict[str, Any]] = [
    {"temperature": -40.0},
    {"temperature": 125.0},
    {"t_clock": 200e-9},
    {"bits": 7},
    {"corner": "SS", "temperature": 125.0, "v_dd": 1.62},
    {"corner": "FS", "temperature": 125.0, "v_dd": 1.62},  # slow PMOS: the pair's upper end
    {"corner": "SF", "temperature": -40.0, "v_dd": 1.62},
    {"corner": "FF", "temperature": -40.0, "v_dd": 1.98},
    {"process": "generic65", "bits": 4},
    {"process": "generic65", "corner": "SS", "temperature": 125.0, "v_dd": 1.08},
    {"process": "generic65", "corner": "FS", "temperature": -40.0, "v_dd": 1.32},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", CORNERS, ids=str)
def test_corners_of_the_configuration(changes: dict[str, Any], pool: SimulatorPool) -> None:
    config = RampAdcConfig(**{"bits": 3, **changes})
    data = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    assert np.abs(data["inl"].values[0]).max() < 0.6  # [LSB], nominal chip: the comparator's overdrive and lag


def test_a_threshold_that_moves_with_the_step_is_flagged_and_kept(
    pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RampAdcConfig(bits=2)
    usual = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (usual["status"].values == 0).all()
    moved = usual["step_change"].values
    assert (moved > 0).all() and moved.max() < 0.005  # [LSB]; seen 0.0008
    monkeypatch.setattr(measurement, "STEP_TOLERANCE", 1e-7)
    flagged = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (flagged["status"].values == STEP).all()
    np.testing.assert_array_equal(flagged["threshold"].values, usual["threshold"].values)
    with pytest.raises(CosimError, match="2 of 2 samples"):
        fit(flagged)


def test_no_warning_is_given_by_a_good_run(pool: SimulatorPool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=pool, show_progress=False)
