"""Input-referred noise: .noise against the closed form, the time-variant integral against noisy transients."""

import numpy as np
import pytest
from scipy import stats

from cosim.blocks.comparator.characterisation import _integrated_noise
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.linear import READ_GAIN, _sharpened, channels, decision_noise, find_trajectory
from cosim.blocks.comparator.netlist import Copy, moment, noise_deck, opened, start, static_deck, transient
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

KT = 1.380649e-23 * 300.15  # [J] at 27 deg C


def test_two_stage_white_noise_is_that_of_pair_and_mirror(continuous: ComparatorConfig, pool: SimulatorPool) -> None:
    deck = noise_deck(continuous, continuous.v_cm)
    white = deck.circuit.replace(" permod=1", " permod=1 noia=0 noib=0 noic=0")  # no flicker noise
    assert white.count("noia=0") == 2
    static = static_deck(continuous, continuous.v_cm, (), np.zeros((1, 0)))
    names = tuple(f"@m.xc0.xm{k}.m1[gm]" for k in (1, 3))
    noise, flicker, point = pool.run(
        [
            Deck(deck.title, white, deck.analyses, deck.saves, deck.tolerances),
            deck,
            Deck(static.title, static.circuit, static.analyses, names, static.tolerances),
        ]
    )
    gm1, gm3 = (float(point[name][0]) for name in names)
    low = noise["frequency"] < 1e5
    density = noise["inoise_spectrum"][low] ** 2
    np.testing.assert_allclose(density, density[0], rtol=1e-3)  # white, and far below the pole
    # gamma = 2/3 is that of a long channel without velocity saturation: the charge-based model is some per cent off.
    expected = 2 * 4 * KT * (2 / 3) / gm1 * (1 + gm3 / gm1)
    assert density[0] == pytest.approx(expected, rel=0.25, abs=0)
    # Below its pole the noise is white: the integral is at least that of one pole at the bandwidth seen.
    output, frequency = noise["onoise_spectrum"], noise["frequency"]
    sigma = _integrated_noise(noise, 0)["noise"]
    half = float(frequency[np.flatnonzero(output < output[0] / np.sqrt(2))[0]])
    assert sigma == pytest.approx(np.sqrt(density[0] * np.pi / 2 * half), rel=0.15)  # more poles: a steeper end
    assert _integrated_noise(flicker, 0)["noise"] > sigma


def test_a_pulse_s_blur_is_taken_back() -> None:
    """A Gaussian seen through triangles one standard deviation wide to each side."""
    t = np.linspace(-5, 5, 201)
    fine = np.exp(-(t**2) / 2)
    blurred = np.array([np.trapezoid(fine * np.maximum(0, 1 - np.abs(t - at)), t) for at in t[::20]])
    exact = fine[::20]
    assert np.abs(blurred - exact).max() > 0.06
    # What is left is of the fourth order in the width over the standard deviation: d^4 / 144 of h'''' = 3, and more.
    assert np.abs(_sharpened(blurred) - exact)[1:-1].max() < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("process", ["generic180", "generic65"])
def test_the_integral_is_what_noisy_transients_show(process: str, pool: SimulatorPool) -> None:
    """Noise currents beside every channel, drawn here; the latch's spread, and how many decisions turn."""
    config = ComparatorConfig(process=process)
    trajectory, _ = find_trajectory(config, config.v_cm, 0.0, pool)
    assert trajectory is not None
    noise = decision_noise(config, config.v_cm, 0.0, trajectory, pool)
    assert noise.status == 0
    finer = decision_noise(config, config.v_cm, 0.0, trajectory, pool, pulses=48)
    assert noise.sigma == pytest.approx(finer.sigma, rel=0.02)
    found, copies, decks = channels(config.part), 40, 4
    nodes = tuple(dict.fromkeys(end for each in found for end in (each.drain, each.source)))
    inner = tuple(node for node in nodes if node not in ("outp", "outn", "vdd", "vss"))
    read = trajectory.time_of_gain(READ_GAIN)
    spacing = (read - moment(config)) / 40
    times = np.arange(max(start(config) - 20 * spacing, spacing), read + 20 * spacing, spacing)
    rng = np.random.default_rng(stream(5, "test: noisy transients"))
    latches, decisions = [], []
    for _ in range(decks):
        extra, saves = [], []
        for k in range(copies):
            place = {"outp": f"op{k}", "outn": f"on{k}", "vdd": f"vdd{k}", "vss": "0"} | {n: f"{n}_{k}" for n in inner}
            for channel, density in zip(found, trajectory.density, strict=True):
                # Samples with straight lines between: density times half the sampling rate, one-sided.
                sigma = np.sqrt(np.interp(times, trajectory.time, density) / 2 / spacing)
                current = sigma * rng.standard_normal(len(times))
                points = " ".join(f"{t:.9g} {i:.6g}" for t, i in zip(times, current, strict=True))
                drain, source = place[channel.drain], place[channel.source]
                extra.append(f"I{channel.name}_{k} {drain} {source} pwl(0 0 {points})")
            extra.append(f"Eq{k} q{k} 0 lp_{k} ln_{k} 1")
            saves += [f"v(q{k})"]
        half = noise.sigma / 2
        each = Copy(f"{config.v_cm + half!r}", f"{config.v_cm - half!r}", {}, nodes=inner)
        deck = transient(
            "noisy", config, [each] * copies, start(config) + config.t_clock / 2, saves, step=spacing,
            netlist=opened(config.part, inner), extra=extra,
        )  # fmt: skip
        result = pool.run([deck])[0]
        assert result.ok, result.failure
        latches += [float(np.interp(read, result["time"], result[f"v(q{k})"])) for k in range(copies)]
        decisions += [float(result[f"v(q{k})"][-1]) > 0 for k in range(copies)]
    gain = float(np.interp(read, trajectory.time, trajectory.gain))
    # 160 draws: sigma repeats to 1 / sqrt(320) = 5.6 %, the mean to 8 % of sigma; three of these.
    assert np.std(latches) / gain == pytest.approx(noise.sigma, rel=0.17)
    assert np.mean(latches) / gain == pytest.approx(noise.sigma, rel=0.25)
    # The model draws decisions from a normal distribution: so must the noise be (Kolmogorov-Smirnov at 1 %).
    assert stats.kstest(np.array(latches) / gain, "norm", (noise.sigma, noise.sigma)).pvalue > 0.01
    # With an input of one sigma, 84.1 % of the decisions are for it; 160 of them repeat to 2.9 %.
    assert np.mean(decisions) == pytest.approx(0.841, abs=0.087)
