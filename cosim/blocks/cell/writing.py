"""The programming error: by how much conductances miss their target after write and verify.

    sigma_p(G) = (g_max / g_ref) (c_0 + c_1 r + c_2 r^2 + c_3 r^3 + c_4 r^4),  r = G_target / g_max

(degree 2 for phase-change cells: Joshi et al., Nature Communications 11, 2473 (2020); degree 4 for HfOx: Wan et al.,
Nature 608, 504 (2022)). The coefficients have the greatest likelihood of all cells' errors, each normal with the sigma
of its target and cut off at what a cell can have; no sigma of a few cells is ever formed. Cells that lie at a limit far
from their target are stuck: they are counted and take no part in sigma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from cosim.blocks.cell.judging import distribution, scores, variance_score
from cosim.blocks.cell.likelihood import maximum_likelihood, normal_nll, normal_share
from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number, odd
from cosim.blocks.model import Parameter
from cosim.blocks.residuals import Residuals
from cosim.devices.laws import PolynomialSigma
from cosim.seeds import stream

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {
    "constant": "constant programming error",
    "linear": "programming error linear in G",
    "quadratic": "programming error quadratic in G",
    "quartic": "programming error of degree four in G",
}
_DEGREES = {"constant": 0, "linear": 1, "quadratic": 2, "quartic": 4}
_AT_LIMIT = 1e-6  # relative: a value this near to what a cell can have lies there
_STUCK = 8.0  # standard deviations between target and limit: a cell at the limit does not follow
_RARELY_CUT = 1e-3  # share of a state's cells at a limit up to which their plain spread is that of the law
SPLIT = "devices of odd number"


@dataclass(frozen=True)
class Programmed:
    """Cells after programming, shape (states, devices).

    Attributes
    ----------
    target: what was asked for [S]. value: what the cell has [S]; NaN where that is missing.
    low, high: limits of a cell [S].
    """

    target: Array
    value: Array
    held_out: Mask
    low: float
    high: float
    g_ref: float

    @property
    def known(self) -> Mask:
        """Cells that follow their target, more or less."""
        return np.isfinite(self.value) & ~self.stuck(False) & ~self.stuck(True)

    def stuck(self, on: bool) -> Mask:
        """Cells at the highest (`on`) or lowest conductance although their target is far away."""
        inside = (self.value > self.low) & (self.value < self.high)
        if not inside.any():
            return np.zeros(self.value.shape, dtype=bool)
        sigma = 1.4826 * float(np.median(np.abs(self.value - self.target)[inside]))  # of a normal law
        away = (self.high - self.target) if on else (self.target - self.low)
        return ((self.value >= self.high) if on else (self.value <= self.low)) & (away > _STUCK * sigma)


def observe(found: Observations) -> Programmed:
    """Cells written to targets and verified; blind pulses are another part."""
    value = found.cells("programmed_conductance", ("state", "device"))
    if found.has("blind_conductance"):
        raise Absent("the cells were programmed by blind pulses, whose statistics are a part of their own")
    devices = value.shape[1]
    if devices < 2:
        raise Absent("programming needs two devices or more, one to judge by")
    target = np.broadcast_to(found.coordinate("state", "programmed_conductance")[:, None], value.shape).astype(float)
    low, high = found.limits
    held_out = np.broadcast_to(odd(devices, 1, 2), value.shape)
    return Programmed(target, value, held_out, low * (1 + _AT_LIMIT), high * (1 - _AT_LIMIT), found.g_ref)


def fit_law(cells: Programmed, law: str) -> Part:
    """Coefficients of greatest likelihood on devices of even number."""
    degree = _DEGREES[law]
    use = cells.known & ~cells.held_out
    states = len(np.unique(cells.target[use]))
    if states <= degree or use.sum() < 4 * (degree + 1):
        raise Absent(f"a law '{law}' needs {degree + 1} states and {4 * (degree + 1)} cells to fit")
    target, value = cells.target[use], cells.value[use]
    error = value - target
    scale = float(np.sqrt(np.mean(error**2)))
    if scale == 0.0:
        raise Absent("every cell has its target exactly")
    powers = (target / cells.g_ref)[:, None] ** np.arange(degree + 1)

    def nll(unknown: Array) -> float:
        return normal_nll(value, target, scale * (powers @ unknown), cells.low, cells.high)

    first = np.zeros(degree + 1)
    first[0] = 1.0
    if degree:  # sqrt(pi / 2) |error| has the mean sigma
        first = np.linalg.lstsq(powers, np.sqrt(np.pi / 2) * np.abs(error) / scale, rcond=None)[0]
        if nll(first) > nll(np.eye(degree + 1)[0]):
            first = np.eye(degree + 1)[0]
    found = maximum_likelihood(nll, first, int(use.sum()), "the programming error")
    names = [f"programming.c_{k}" for k in range(degree + 1)]
    parameters = {
        name: fitted_number(v * scale, "S", a * scale, b * scale, f"coefficient {k} of the sigma after programming")
        for k, (name, v, a, b) in enumerate(zip(names, found.values, found.low, found.high, strict=True))
    }
    sigma = np.maximum(scale * (powers @ found.values), 1e-3 * scale)
    whole = _cut_share(target, sigma, cells.low, cells.high) < _RARELY_CUT
    if whole.any():
        weight = 1.0 / sigma[whole] ** 2
        bias, reach = np.average(error[whole], weights=weight), 1.96 / np.sqrt(weight.sum())
        parameters["programming.bias"] = fitted_number(
            bias, "S", bias - reach, bias + reach, "mean error, which `program` does not draw: the law is centred"
        )
    parameters |= _stuck_rates(cells)
    window = (float(target.min()), float(target.max()))
    return Part(law, parameters, found.bic, {"conductance": window}, {"g_ref": cells.g_ref})


def _stuck_rates(cells: Programmed) -> dict[str, Parameter]:
    """Shares of stuck cells where there are any, with the exact interval of a share (Clopper, Pearson, 1934)."""
    rates = {}
    total = int((np.isfinite(cells.value) & ~cells.held_out).sum())
    for name, on in (("off", False), ("on", True)):
        count = int((cells.stuck(on) & ~cells.held_out).sum())
        if count:
            low = stats.beta.ppf(0.025, count, total - count + 1)
            high = stats.beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
            rates[f"programming.stuck_{name}_rate"] = fitted_number(
                count / total, "1", float(low), float(high), f"share of cells that are stuck {name}"
            )
    return rates


def sigma_law(part: Part) -> PolynomialSigma:
    """The device's law with the fitted coefficients."""
    names = [f"c_{k}" for k in range(5)]
    given = {name: part.value(f"programming.{name}") for name in names if f"programming.{name}" in part.parameters}
    return PolynomialSigma(g_ref=float(part.settings["g_ref"]), **given)


def residuals(part: Part, cells: Programmed) -> list[Residuals]:
    """The spread of each state in standard errors, and the distribution of all errors."""
    free = len([name for name in part.parameters if name.startswith("programming.c_")])
    sigma = np.maximum(sigma_law(part).sigma(cells.target, cells.g_ref), 1e-300)
    rng = np.random.default_rng(stream(0, "cell fit: programming"))
    share = normal_share(cells.value, cells.target, sigma, rng, cells.low, cells.high)
    known = cells.known
    found = _of_states(cells, sigma, free)
    shares = distribution("programming", share[known], cells.held_out[known], parameters=free, split=SPLIT)
    return [*([found] if found is not None else []), shares]


def _of_states(cells: Programmed, sigma: Array, free: int) -> Residuals | None:
    """Spread about the target of seen and of held-out devices of each state that is rarely cut off."""
    cut = _cut_share(cells.target, sigma, cells.low, cells.high)
    states = np.flatnonzero(cut[:, 0] < _RARELY_CUT)
    rows = [
        (state, side, use)
        for state in states
        for side in (False, True)
        if (use := cells.known[state] & (cells.held_out[state] == side)).any()
    ]
    held = np.array([side for _, side, _ in rows], dtype=bool)
    if not held.any() or held.all():
        return None
    count = np.array([use.sum() for *_, use in rows], dtype=np.float64)
    squares = np.array([((cells.value - cells.target)[state][use] ** 2).sum() for state, _, use in rows])
    told = np.array([sigma[state, 0] for state, *_ in rows])
    x = np.array([cells.target[state, 0] for state, *_ in rows])
    score = variance_score(squares, count, told**2)
    return scores(
        "programming_sigma", np.sqrt(squares / count), told, score, held, x, "target conductance [S]",
        parameters=free, points=(float(count[~held].mean()), float(count[held].mean())), split=SPLIT,
    )  # fmt: skip


def _cut_share(target: Array, sigma: Array, low: float, high: float) -> Array:
    """Share of cells that lie at a limit."""
    return np.asarray(special.ndtr((low - target) / sigma) + special.ndtr((target - high) / sigma))
