"""Variation from chip to chip: programming error of the column, Pelgrom mismatch of the comparator."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.chips import draw_chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.blocks.ramp_adc.functions import get_function, output_error
from cosim.blocks.ramp_adc.netlist import comparator_text, offset_deck
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.spice import Deck, SimulatorPool, Tolerances

Array = NDArray[np.float64]

CONFIG = RampAdcConfig()


def inl_of_chips(sigma: float, count: int, *, bias_error: bool = False) -> Array:
    """INL [LSB] of `count` 5-bit sigmoid columns, shape (count, 31), from the ramp's closed form."""
    device = replace(load_device(CONFIG.device), programming_sigma=sigma)
    design = design_column(CONFIG, device)
    chips = draw_chips(CONFIG, count, np.random.SeedSequence(11), device=device, design=design)
    ramp = np.array([chip.ramp for chip in chips])
    bias = np.array([chip.bias for chip in chips]) if bias_error else design.bias
    levels = column_levels(ramp, np.broadcast_to(bias, (count, len(design.bias))), design.bias_sign, CONFIG)
    return levels / design.gain(CONFIG.v_read)


@pytest.mark.parametrize(
    ("sigma", "rms", "largest", "rms_calibrated", "largest_calibrated"),
    [(1.0e-6, 0.11, 0.19, 0.06, 0.13), (2.67e-6, 0.30, 0.51, 0.17, 0.34), (5e-6, 0.56, 0.95, 0.32, 0.65)],
)
def test_the_table_of_programming_error(
    sigma: float, rms: float, largest: float, rms_calibrated: float, largest_calibrated: float
) -> None:
    """Bias cells without error, as in the table; calibration shifts each chip to be right at mid code."""
    function = get_function("sigmoid")
    count = 1000
    x = inl_of_chips(sigma, count)
    # The table's last digit is 0.01, and errors of 1000 chips repeat to 3 % (one degree of freedom in a random walk).
    tolerance = {"rel": 0.04, "abs": 0.006}
    error = output_error(function, 5, x)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(rms, **tolerance)
    assert np.abs(error).max(axis=1).mean() == pytest.approx(largest, **tolerance)
    calibrated = output_error(function, 5, x - x[:, 15:16])  # x = 0 at threshold 16
    assert np.sqrt(np.mean(calibrated**2)) == pytest.approx(rms_calibrated, **tolerance)
    assert np.abs(calibrated).max(axis=1).mean() == pytest.approx(largest_calibrated, **tolerance)


def test_the_error_of_the_bias_cells_moves_the_whole_ramp() -> None:
    function = get_function("sigmoid")
    x = inl_of_chips(2.67e-6, 1000, bias_error=True)
    design = design_column(CONFIG)
    first = x[:, 0] - design.thresholds[0]
    # x per siemens is 1 / (gain C_fb / T); n cells with independent errors; the sigma of 1000 chips repeats to 2.2 %.
    expected = 2.67e-6 * np.sqrt(len(design.bias)) / (design.gain_per_volt * CONFIG.c_fb / CONFIG.t_pulse)
    assert first.std() == pytest.approx(expected, rel=0.08)
    assert np.sqrt(np.mean(output_error(function, 5, x) ** 2)) > 0.32  # against 0.30 without


def test_a_chip_depends_on_the_seed_and_its_number_alone() -> None:
    few, many = (draw_chips(CONFIG, count, np.random.SeedSequence(5), columns=3) for count in (2, 6))
    for one, other in zip(few, many, strict=False):
        np.testing.assert_array_equal(one.ramp, other.ramp)
        np.testing.assert_array_equal(one.bias, other.bias)
        np.testing.assert_array_equal(one.mismatch, other.mismatch)
    assert not np.array_equal(many[0].ramp, many[1].ramp)
    assert not np.array_equal(many[0].mismatch, many[1].mismatch)
    assert not np.array_equal(few[0].ramp, draw_chips(CONFIG, 1, np.random.SeedSequence(6))[0].ramp)


def test_column_and_comparators_draw_from_streams_of_their_own() -> None:
    design, device = design_column(CONFIG), load_device(CONFIG.device)
    one, four = (draw_chip(CONFIG, design, device, columns, np.random.default_rng(1)) for columns in (1, 4))
    np.testing.assert_array_equal(one.ramp, four.ramp)
    np.testing.assert_array_equal(one.mismatch[0], four.mismatch[0])
    small = design_column(RampAdcConfig(bits=3))
    other = draw_chip(RampAdcConfig(bits=3), small, device, 1, np.random.default_rng(1))
    np.testing.assert_array_equal(other.mismatch, one.mismatch)  # the same comparator on another column


def test_the_nominal_chip_has_no_variation() -> None:
    chip, design = nominal_chip(CONFIG, columns=2), design_column(CONFIG)
    np.testing.assert_array_equal(chip.ramp, design.ramp)
    assert chip.mismatch.shape == (2, len(chip.names)) and not chip.mismatch.any()


def test_pelgrom_sigmas_by_hand() -> None:
    kind = mismatch_of(comparator_text(CONFIG))
    assert kind.names == tuple(f"dvt{n}" for n in range(1, 8)) + tuple(f"db{n}" for n in range(1, 8))
    sigma = dict(zip(kind.names, kind.sigmas, strict=True))
    # One of a pair: A / sqrt(2 W L). W L = 8 um 0.5 um: 4.1 mV / sqrt(8) and 1 % / sqrt(8); 4 um 0.5 um: sqrt(2) more.
    assert sigma["dvt1"] == pytest.approx(1.4496e-3, rel=1e-4) and sigma["db1"] == pytest.approx(3.5355e-3, rel=1e-4)
    assert sigma["dvt3"] == pytest.approx(2.05e-3, rel=1e-4) and sigma["db6"] == pytest.approx(5e-3, rel=1e-4)
    drawn = kind.draw(4000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.std(axis=0), kind.sigmas, rtol=0.06)  # five sigma of 1 / sqrt(2 * 4000)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=5 * kind.sigmas.max() / np.sqrt(4000))
    assert np.abs(np.corrcoef(drawn.T) - np.eye(14)).max() < 0.08


def test_mismatch_is_found_however_a_transistor_is_written() -> None:
    text = (
        "xm1 a b c d nmos w=8u l=0.5u dvt={dvt1} db={db1}\n"
        "XM2 a b c d NMOS W=8u L=500n DVT={dvt2} DB={db2}\n"
        "xm3 a b c d nmos l=0.5u w=8e-6 db={db3} dvt={dvt3}\n"
        "xm4 a b c d nmos w=8u l=0.5u\n"
        "xm6 a b c d nmos\n+ w=4u l=0.5u m=2\n+ dvt={dvt6} db={db6}\n"
        "* xm5 a b c d nmos w=8u l=0.5u dvt={dvt5} db={db5}\n"
    )
    kind = mismatch_of(text)
    assert kind.names == ("dvt1", "dvt2", "dvt3", "dvt6", "db1", "db2", "db3", "db6")
    np.testing.assert_allclose(kind.sigmas[:4], 4.1e-3 / np.sqrt(8), rtol=1e-12)
    assert mismatch_of("* mismatch none\nxm1 a b c d nmos w=8u l=0.5u\n").sigmas.shape == (0,)
    with pytest.raises(CosimError, match="takes mismatch"):
        mismatch_of("xm1 a b c d nmos w=8u l=0.5u\n")
    with pytest.raises(CosimError, match="w= as a plain number"):
        mismatch_of("xm1 a b c d nmos w={wide} l=0.5u dvt={a} db={b}")


def test_offsets_follow_from_the_transistors(pool: SimulatorPool) -> None:
    """200 drawn comparators in one `.op`: sigma against Pelgrom's sum over input pair and mirror."""
    kind = mismatch_of(comparator_text(CONFIG))
    mismatch = kind.draw(200, np.random.default_rng(7))
    deck = offset_deck(CONFIG, kind.names, np.concatenate([kind.none(1), mismatch]))
    inner = ("gm", "id")
    extra = tuple(f"@m.xc0.xm{n}.m1[{name}]" for n in (1, 3) for name in inner)
    result = pool.run([replace(deck, saves=deck.saves + extra)])[0]
    assert result.failure is None, result.log
    offsets = np.array([result[f"v(in{n})"][0] for n in range(1, 201)]) - result["v(in0)"][0]
    gm_pair, current, gm_mirror = (result[f"@m.xc0.xm{n}.m1[{x}]"][0] for n, x in ((1, "gm"), (1, "id"), (3, "gm")))
    sigma = dict(zip(kind.names, kind.sigmas, strict=True))
    variance = 2 * sigma["dvt1"] ** 2 + 2 * (gm_mirror / gm_pair * sigma["dvt3"]) ** 2
    variance += 2 * (current / gm_pair) ** 2 * (sigma["db1"] ** 2 + sigma["db3"] ** 2)
    # The sigma of 200 samples repeats to 5 %; the prediction leaves out the second stage. 30 % is asked for.
    assert offsets.std() == pytest.approx(np.sqrt(variance), rel=0.15)
    assert abs(offsets.mean()) < 4 * offsets.std() / np.sqrt(200)
    # And each comparator by itself: first-order sensitivities explain its offset.
    shift = dict(zip(kind.names, mismatch.T, strict=True))
    predicted = shift["dvt1"] - shift["dvt2"] + gm_mirror / gm_pair * (shift["dvt3"] - shift["dvt4"])
    predicted += current / gm_pair * (shift["db2"] - shift["db1"] + shift["db3"] - shift["db4"])
    assert (predicted - offsets).std() < 0.1 * offsets.std()


def test_the_offset_deck_finds_the_trip_point(pool: SimulatorPool) -> None:
    """Against a sweep of the input in steps of 0.5 uV, out crossing V_DD / 2."""
    kind = mismatch_of(comparator_text(CONFIG))
    mismatch = kind.draw(3, np.random.default_rng(3))
    deck = offset_deck(CONFIG, kind.names, mismatch)
    found = pool.run([deck])[0]
    for number, values in enumerate(mismatch):
        trip = found[f"v(in{number})"][0]
        text = " ".join(f"{name}={value:.9g}" for name, value in zip(kind.names, values, strict=True))
        lines = [line for line in deck.circuit.splitlines() if not line.startswith(("Bin", "Xc"))]
        lines += ["Vin in 0 1", f"Xc0 in ramp d0 bias vdd 0 comparator {text}"]
        sweep = Deck(
            "sweep", "\n".join(lines), (f".dc Vin {trip - 20e-6:.9f} {trip + 20e-6:.9f} 0.5u",), ("v(d0)",),
            Tolerances(reltol=1e-9, vntol=1e-12),
        )  # fmt: skip
        result = pool.run([sweep])[0]
        assert result.failure is None, result.log
        out, swept = result["v(d0)"], result["v-sweep"]
        assert out[0] < 0.9 < out[-1]
        assert trip == pytest.approx(np.interp(0.9, out, swept), abs=2e-6)
