"""Read noise: how far a read differs from the next one, over conductance and time.

The spectrum of the reads says which kind of law it is. White: every read by itself, sigma = slope G + floor. 1/f:
S_G / G^2 = Q^2 / f, of which a cell at time t after programming has shown all between 1 / t and the read's own
bandwidth,

    sigma = G Q sqrt(ln((t + t_0 + t_read) / (2 t_read))),   Q = min(q_0 / max(r^exponent, 1e-3), q_high)

(Nandakumar et al., ICECS 2019). Of either kind the amplitude of each cell is known within the chi-squared law of its
reads: sigma from their variance, Q from the periodogram (P. Whittle, Arkiv Mat. 2, 423 (1953)). Cells may differ
beyond that by a log-normal spread of their own, tau.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cosim.blocks.cell.judging import Together, score_limit
from cosim.blocks.cell.likelihood import maximum_likelihood
from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number
from cosim.blocks.model import Parameter
from cosim.blocks.residuals import Residuals
from cosim.devices.laws import AffineNoise, FlickerNoise, NoiseLaw

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {
    "proportional": "read noise proportional to G",
    "affine": "read noise affine in G",
    "flicker": "1/f read noise of a power law in G",
    "flicker_capped": "1/f read noise of a power law in G up to a limit",
    "proportional_spread": "read noise proportional to G, with a spread from cell to cell",
    "flicker_spread": "1/f read noise of a power law in G, with a spread from cell to cell",
}
_UNKNOWN = {"proportional": 1, "affine": 2, "flicker": 2, "flicker_capped": 3, "proportional_spread": 2,
            "flicker_spread": 3}  # fmt: skip
LEAST_READS = 16
LEAST_SCATTER = 1e-9  # of G, far below any cell's noise: what a simulator's arithmetic leaves of a cell without noise


@dataclass(frozen=True)
class Reads:
    """What the reads of each cell say, shape (cells,).

    Attributes
    ----------
    conductance: mean of the reads [S].
    amplitude: estimate of sigma / G (white) or of Q (1/f) [1].
    freedom: degrees of freedom of its square.
    flicker: whether the reads' spectra are those of 1/f noise; `likelihood_gain`: ln of the likelihood of 1/f over
        that of white noise.
    """

    conductance: Array
    amplitude: Array
    freedom: Array
    held_out: Mask
    flicker: bool
    likelihood_gain: float
    g_ref: float
    t_read: float
    t_0: float
    split: str


def observe(found: Observations) -> Reads:
    """Amplitude of the noise of each state of each device."""
    reads = found.values("read_conductance", ("device", "state", "read"))
    devices, states, count = reads.shape
    if count < LEAST_READS:
        raise Absent(f"read noise needs {LEAST_READS} reads of a cell or more")
    cells, numbers = [], []
    for device in range(devices):
        for state in range(states):
            row = reads[device, state][np.isfinite(reads[device, state])]
            if len(row) >= LEAST_READS and row.mean() > 0 and row.std() > LEAST_SCATTER * row.mean():
                cells.append(row)
                numbers.append((device, state))
    odd = np.array([(device if devices > 1 else state) % 2 == 1 for device, state in numbers], dtype=bool)
    if not odd.any() or odd.all():
        raise Absent("read noise needs two states or devices whose reads differ beyond rounding, one to judge by")
    what = "devices" if devices > 1 else "states"
    power = [np.abs(np.fft.rfft(row / row.mean() - 1.0))[1 : (len(row) - 1) // 2 + 1] ** 2 for row in cells]
    cycles = [np.arange(1, len(each) + 1) for each in power]
    # ln likelihood of exponential powers of mean S_k, S_k = a or a / k: - sum ln S_k - number of them.
    gain = sum(
        len(p) * (np.log(p.mean()) - np.log((k * p).mean())) + np.log(k).sum()
        for p, k in zip(power, cycles, strict=True)
    )
    flicker = bool(gain > 0)
    if flicker:  # E|X_k|^2 = Q^2 n^2 / (2 k) of n reads, whatever their length
        square = [2.0 * (k * p).mean() / len(row) ** 2 for row, p, k in zip(cells, power, cycles, strict=True)]
        freedom = [2.0 * len(p) for p in power]
    else:
        square = [row.var(ddof=1) / row.mean() ** 2 for row in cells]
        freedom = [len(row) - 1.0 for row in cells]
    return Reads(
        np.array([row.mean() for row in cells]), np.sqrt(square), np.array(freedom), odd, flicker, float(gain),
        found.g_ref, found.config.t_read, count * found.config.t_read, f"{what} of odd number",
    )  # fmt: skip


def _log_amplitude(law: str, unknown: Array, ratio: Array, scale: float) -> tuple[Array, float]:
    """ln of the amplitude of each cell, and the variance of ln over cells (tau^2)."""
    kind, spread = law.removesuffix("_spread"), law.endswith("_spread")
    unknown = np.clip(unknown, -40.0, 40.0)  # of logarithms and exponents: beyond, nothing changes but overflows
    tau = float(np.exp(unknown[-1])) if spread else 0.0
    if kind == "proportional":
        amplitude = np.full(ratio.shape, scale * np.exp(unknown[0]))
    elif kind == "affine":
        amplitude = scale * np.maximum(unknown[0] + unknown[1] / ratio, 1e-9)
    else:
        amplitude = scale * np.exp(unknown[0]) / np.maximum(ratio ** unknown[1], 1e-3)
        if kind == "flicker_capped":
            amplitude = np.minimum(amplitude, scale * np.exp(unknown[2]))
    return np.log(amplitude), tau**2


def _sampling(freedom: Array) -> tuple[Array, Array]:
    """Mean and variance of ln of an estimated amplitude, from the logarithm of chi-squared numbers."""
    half = freedom / 2.0
    return 0.5 * (special.digamma(half) - np.log(half)), 0.25 * special.polygamma(1, half)


def fit_law(reads: Reads, law: str) -> Part:
    """Parameters of greatest likelihood of the cells' amplitudes."""
    if law.startswith("flicker") != reads.flicker:
        raise Absent(f"the reads have {'a 1/f' if reads.flicker else 'a white'} spectrum, which a law '{law}' has not")
    use = ~reads.held_out
    size = _UNKNOWN[law]
    if use.sum() < size or (law.endswith("_spread") and use.sum() < size + 1):
        raise Absent(f"a law '{law}' needs {size + law.endswith('_spread')} cells to fit")
    ratio = reads.conductance[use] / reads.g_ref
    shift, variance = _sampling(reads.freedom[use])
    log = np.log(reads.amplitude[use]) - shift
    scale = float(np.exp(np.median(log)))

    def nll(unknown: Array) -> float:
        told, spread = _log_amplitude(law, unknown, ratio, scale)
        total = variance + spread
        return float(0.5 * np.sum((log - told) ** 2 / total + np.log(2.0 * np.pi * total)))

    start = {"proportional": [0.0], "affine": [0.5, 0.5 * float(np.median(ratio))], "flicker": [0.0, 0.1],
             "flicker_capped": [0.0, 0.1, float(log.max() - np.log(scale))]}[law.removesuffix("_spread")]  # fmt: skip
    found = maximum_likelihood(
        nll,
        [*start, *([-1.0] * law.endswith("_spread"))],
        int(use.sum()),
        "the read noise",
        kinks=law == "flicker_capped",
    )
    domain = {"read_conductance": (float(reads.conductance.min()), float(reads.conductance.max()))}
    settings = {"t_read": reads.t_read, "t_0": reads.t_0, "g_ref": reads.g_ref, "flicker": reads.flicker,
                "likelihood_gain": reads.likelihood_gain}  # fmt: skip
    rows = _parameters(law, found.values, found.low, found.high, scale, reads.g_ref)
    return Part(law, rows, found.bic, domain, settings)


def _parameters(law: str, values: Array, low: Array, high: Array, scale: float, g_ref: float) -> dict[str, Parameter]:
    ends = np.array([values, low, high])
    kind = law.removesuffix("_spread")
    rows: dict[str, tuple[Array, str, str]] = {}
    if kind == "proportional":
        rows["noise.slope"] = (scale * np.exp(ends[:, 0]), "1", "sigma from read to read, relative to the conductance")
    elif kind == "affine":
        rows["noise.slope"] = (scale * ends[:, 0], "1", "sigma from read to read over conductance")
        rows["noise.floor"] = (scale * g_ref * ends[:, 1], "S", "sigma from read to read of a cell without conductance")
    else:
        rows["noise.q_0"] = (scale * np.exp(ends[:, 0]), "1", "Q of 1/f noise at g_max: S_G / G^2 = Q^2 / f")
        rows["noise.exponent"] = (ends[:, 1], "1", "Q = q_0 / r^exponent")
        if kind == "flicker_capped":
            rows["noise.q_high"] = (scale * np.exp(ends[:, 2]), "1", "most that Q can be")
    if law.endswith("_spread"):
        rows["noise.spread"] = (np.exp(ends[:, -1]), "1", "log-normal spread of sigma from cell to cell; not drawn")
    return {
        name: fitted_number(float(each[0]), unit, float(each[1]), float(each[2]), text)
        for name, (each, unit, text) in rows.items()
    }


def noise_law(part: Part) -> NoiseLaw:
    """The device's law with the fitted numbers; q_high without a limit in the data is Q at the least conductance."""
    kind = part.law.removesuffix("_spread")
    if kind in ("proportional", "affine"):
        return AffineNoise(part.value("noise.slope"), part.value("noise.floor") if kind == "affine" else 0.0)
    q_0, exponent = part.value("noise.q_0"), part.value("noise.exponent")
    if kind == "flicker_capped":
        q_high = part.value("noise.q_high")
    else:
        low, high = (edge / float(part.settings["g_ref"]) for edge in part.domain["read_conductance"])
        q_high = max(q_0 / max(r**exponent, 1e-3) for r in (low, high, 1.0))
    return FlickerNoise(q_0, exponent, q_high, float(part.settings["t_read"]), float(part.settings["t_0"]))


def amplitude_of(part: Part, conductance: Array) -> Array:
    """sigma / G (white) or Q (1/f) by the fitted law."""
    law = noise_law(part)
    if isinstance(law, FlickerNoise):
        return law.amplitude(conductance, float(part.settings["g_ref"]))
    return law.sigma(conductance, conductance, float(part.settings["g_ref"]), 0.0) / conductance


def residuals(part: Part, reads: Reads) -> list[Residuals]:
    """Amplitude of each cell in standard errors: of its sample, and of the spread from cell to cell."""
    told = amplitude_of(part, reads.conductance)
    spread = part.value("noise.spread") if "noise.spread" in part.parameters else 0.0
    shift, variance = _sampling(reads.freedom)
    score = (np.log(told) - np.log(reads.amplitude) + shift) / np.sqrt(variance + spread**2)
    free, held = len(part.parameters), reads.held_out
    limit = score_limit(int(held.sum()), free, 1.0, 1.0)
    return [
        Together("read_noise", reads.amplitude, told, score, "standard errors", held, reads.conductance,
                 "conductance [S]", limit=limit, split=reads.split, parameters=free)
    ]  # fmt: skip
