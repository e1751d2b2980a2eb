"""The law of drift exponents over conductance, of greatest likelihood of the exponents that cells showed.

nu = |N(mean(x), sd(x))| with x = ln r: one number for all, or mean and sd constant, affine in x, affine down to a least
value, or between two limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.cell.likelihood import Likeliest, maximum_likelihood, without_groups
from cosim.blocks.cell.observations import Absent, fitted_number
from cosim.blocks.model import Parameter

Array = NDArray[np.float64]

LEAST_SPREAD = 1e-7  # of nu: below this the reading of the simulator is seen, and no spread


def law_of_exponents(
    law: str, x: Array, nu: Array, error: Array, groups: NDArray[np.int64]
) -> tuple[Likeliest, dict[str, Parameter]]:
    """Greatest likelihood of nu = |N(mean(x), sd(x))| seen with an error; nu is scaled by its mean."""
    scale = max(float(np.abs(nu).mean()), LEAST_SPREAD)
    size = {"power": 1, "one": 1, "constant": 2, "affine": 4, "plateau": 6, "limits": 8}[law]
    if len(nu) < 3 * size or (size > 2 and len(np.unique(np.round(x, 1))) < 3):
        raise Absent(f"a law '{law}' of nu needs {3 * size} cells" + (" at three conductances" if size > 2 else ""))

    def terms(unknown: Array, law: str = law) -> Array:
        mean, sd = _moments(law, unknown, x)
        total = np.hypot(scale * sd, error)
        folded = np.logaddexp(-0.5 * ((nu - scale * mean) / total) ** 2, -0.5 * ((nu + scale * mean) / total) ** 2)
        return np.asarray(np.log(total) + 0.5 * np.log(2 * np.pi) - folded)

    def likeliest(law: str, starts: list[Array]) -> Likeliest:
        tried = [
            maximum_likelihood(
                lambda unknown: float(terms(unknown, law).sum()), start, len(nu), "the drift exponents", kinks=size > 4
            )
            for start in starts
        ]
        return min(tried, key=lambda each: each.nll)

    if law == "limits":  # the upper limits begin at low conductances, somewhere on the line of the law without them
        plateau = likeliest("plateau", _starts("plateau", x, nu / scale)).values
        starts = []
        for share in (0.01, 0.05, 0.15):
            knee = float(np.quantile(x, share))
            sides = [np.r_[line, line[0] * knee + line[1]] for line in (plateau[:3], plateau[3:])]
            starts.append(np.concatenate(sides))
        best = likeliest(law, starts)
    else:
        best = likeliest(law, _starts(law, x, nu / scale))
    if law in ("plateau", "limits"):
        best = without_groups(lambda unknown, mask: float(terms(unknown)[mask].sum()), best, groups)
    names = _names(law)
    texts = {"nu": "drift exponent of all cells", "mean": "mean of nu", "sd": "spread of nu from cell to cell"}
    return best, {
        f"drift.{name}": fitted_number(v * scale, "1", a * scale, b * scale, _text(name, texts))
        for name, v, a, b in zip(names, best.values, best.low, best.high, strict=True)
    }


def _text(name: str, texts: dict[str, str]) -> str:
    head, _, tail = name.partition("_")
    words = {"": "", "slope": ", over ln r", "offset": ", at g_max", "low": ", least", "high": ", most"}
    return texts[head] + words[tail]


def _names(law: str) -> list[str]:
    if law in ("power", "one"):
        return ["nu"]
    if law == "constant":
        return ["mean", "sd"]
    kinds = {"affine": ("slope", "offset"), "plateau": ("slope", "offset", "low"),
             "limits": ("slope", "offset", "low", "high")}[law]  # fmt: skip
    return [f"{which}_{kind}" for which in ("mean", "sd") for kind in kinds]


def _moments(law: str, unknown: Array, x: Array) -> tuple[Array, Array]:
    """Mean and sd over ln r, in units of the scale."""
    if law in ("power", "one"):
        return np.full(x.shape, unknown[0]), np.zeros(x.shape)
    if law == "constant":
        return np.full(x.shape, unknown[0]), np.full(x.shape, abs(unknown[1]))
    half = len(unknown) // 2
    mean, sd = (_clipped(each, x) for each in (unknown[:half], unknown[half:]))
    return mean, np.maximum(sd, 1e-6)


def _clipped(numbers: Array, x: Array) -> Array:
    line = numbers[0] * x + numbers[1]
    if len(numbers) > 2:
        line = np.maximum(line, numbers[2])
    return np.minimum(line, np.maximum(numbers[3], numbers[2])) if len(numbers) > 3 else line


def _starts(law: str, x: Array, nu: Array) -> list[Array]:
    """Where the search begins: for limits at several places, since the likelihood has more than one top."""
    spread = max(float(nu.std()), 1e-6)
    if law in ("power", "one"):
        return [np.array([1.0])]
    if law == "constant":
        return [np.array([float(nu.mean()), spread])]
    slope, offset = np.polyfit(x, nu, 1)
    away = np.abs(nu - slope * x - offset) * np.sqrt(np.pi / 2)
    if law == "affine":
        sd_slope, sd_offset = np.polyfit(x, away, 1)
        safe = sd_slope * x + sd_offset
        first = np.array([slope, offset, sd_slope, sd_offset])
        return [first if safe.min() > 0 else np.array([slope, offset, 0.0, spread])]
    starts = []
    for share in (0.3, 0.5, 0.7):
        knee = float(np.quantile(x, share))
        below, above = x <= knee, x > knee
        if min(below.sum(), above.sum()) < 4:
            continue
        lines = []
        for values in (nu, away):
            least = max(float(values[above].mean()), 1e-3)
            rise = (float(values[below].mean()) - least) / max(knee - float(x[below].mean()), 1e-3)
            lines.append([-rise, least + rise * knee, least])
        starts.append(np.array([*lines[0], *lines[1]]))
    if not starts:
        raise Absent("the cells have too few conductances to find where a limit begins")
    return starts
