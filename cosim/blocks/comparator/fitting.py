"""Fitting a comparator's model to data sets of any common modes and temperatures, and judging it on others.

Held out are one chip in three, and inner common modes and temperatures (`cosim.blocks.holdout`): offsets are judged
on unseen chips and unseen conditions (`spread`), the figures of the nominal circuit on unseen conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.comparator.behaviour import DECISIONS, FORMS, ComparatorModel, delay_law, delay_names, moved_by
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.points import SPLIT, Figure, Points, condition_terms, points_of
from cosim.blocks.comparator.spread import fit_offsets, offset_residuals
from cosim.blocks.dataset import origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed
from cosim.blocks.holdout import UNJUDGED, judged
from cosim.blocks.model import Domain, Parameter
from cosim.blocks.regression import Mask, fit_least_squares
from cosim.blocks.residuals import Residuals
from cosim.errors import CosimError

Array = NDArray[np.float64]

LIMIT = 0.1
"""Of noise, delay, energy and kickback, rms relative: the noise rests on a rule for gamma that is no better (see
`cosim.blocks.comparator.config`), and the capacitances of a layout are known no better."""
LEAST_OVERDRIVES = 5  # the delay of a continuous-time comparator has four parameters
LARGEST_MOVE = 12.0  # of the logarithm of a parameter, from its first guess and over the range of a condition
KT_EXPONENT = 0.5  # of the noise over temperature, where data are of one only: sigma^2 goes as k T

_MOVES = {
    "slope": ("1/V", "relative change with the common mode"),
    "bend": ("1/V^2", "relative change with the square of the common mode from the configuration's"),
    "exponent": ("1", "power of the absolute temperature"),
}
_TEXTS = {
    "noise": ("V", "input-referred rms noise of a decision"),
    "t_0": ("s", "part of the delay that no overdrive shortens"),
    "tau": ("s", "time constant of the regenerating latch, or of the first stage"),
    "v_x": ("V", "overdrive above which the latch's start saturates; of the simple form, that of no delay"),
    "v_s": ("V", "what the first stage stands off by as the input crosses, referred to the input"),
    "q": ("V*s", "time integral of overdrive that the second stage wants"),
    "e_0": ("J", "energy of a decision without delay, or of one of a large overdrive"),
    "p_undecided": ("W", "supply power while the latch is undecided"),
    "e_x": ("J", "further energy of a decision at no overdrive"),
    "v_e": ("V", "overdrive over which that falls by e"),
    "kickback": ("C", "largest charge through an input pin, at no overdrive"),
    "kickback_capacitance": ("F", "further charge for each volt of overdrive"),
}


def fit(
    data: xr.Dataset | Sequence[xr.Dataset], *, allow_failed: bool = False, form: str | None = None
) -> ComparatorModel:
    """Fit the model of `behaviour` to data sets of `characterise`, of one or several temperatures.

    At least three common modes are wanted, of which inner ones judge, and five overdrives. Intervals are those of a
    jackknife: over chips (offsets) and over overdrives (the figures of the nominal circuit, where it shows how well
    the law holds, for the simulation has no scatter). The noise, one number a condition, has none.

    Raises CosimError when too few chips, common modes or overdrives are there, when settings other than temperature
    differ, or when points failed and `allow_failed` is not set.
    """
    form = chosen_form(form, FORMS)
    points = points_of(data)
    refuse_failed(points.failed, points.total, "points", allow_failed)
    drives = points.first.sizes["overdrive"]
    if drives < LEAST_OVERDRIVES:
        raise CosimError(
            "the law of the delay wants more overdrives", key="overdrives", value=drives,
            allowed=f"{LEAST_OVERDRIVES} or more",
        )  # fmt: skip
    parameters, settings = fit_offsets(points, form)
    parameters |= _noise(points)
    for quantity in _quantities(points.config, form):
        parameters |= _fitted(points, quantity)
    model = ComparatorModel(
        config=points.config,
        form=form,
        parameters=parameters,
        error=UNJUDGED,
        errors={},
        domain=Domain(points.domain()),
        settings=settings,
        provenance=origin_of(points.first),
    )
    return judged(model, residuals(model, data))


def residuals(model: ComparatorModel, data: xr.Dataset | Sequence[xr.Dataset]) -> tuple[Residuals, ...]:
    """The model beside its data: distribution of the offsets, offset of each chip, noise, delay, energy, kickback."""
    points = points_of(data)
    found = offset_residuals(model, points)
    noise = points.figure("noise")
    terms = 1 + len(condition_terms(points))
    if "noise" in model.parameters:
        told = np.array([model.noise(v, t) for v, t in zip(noise.v_cm, noise.temperature, strict=True)])
        found.append(_relative("noise", noise, told, noise.v_cm, "common mode [V]", terms))
    signs: tuple[int | None, ...] = (None,) if model.config.clocked else tuple(DECISIONS)
    for name in ("delay", "energy"):
        figures = [points.figure(name, sign) for sign in signs]
        ask = getattr(model, name)
        told = np.concatenate([_told(ask, each, sign or 1) for each, sign in zip(figures, signs, strict=True)])
        count = sum(_numbers(each, terms) for each in _quantities(model.config, model.form) if each.figure == name)
        at = _joined(figures)
        found.append(_relative(name, at, told, at.overdrive, "overdrive [V]", count))
    charge = points.figure("kickback_charge")
    told = _told(lambda u, _, v, t: model.kickback_charge(u, v, t), charge, 1)
    found.append(_relative("kickback_charge", charge, told, charge.overdrive, "overdrive [V]", 2 * terms))
    return tuple(found)


@dataclass(frozen=True)
class _Quantity:
    """A law to be fitted: of `figure`, for one decision (None: both), with the parameters `names` + `side`.

    law: (x, *parameters) -> figure; x is the overdrive, or the delay where `over_delay`.
    start: (x, values of the figure) -> first guess of the parameters.
    moving: how many of the parameters, from the first on, follow the conditions (None: all).
    """

    figure: str
    decision: int | None
    names: tuple[str, ...]
    side: str
    law: Callable[..., Array]
    start: Callable[[Array, Array], list[float]]
    over_delay: bool = False
    moving: int | None = None


def _numbers(quantity: _Quantity, terms: int) -> int:
    """How many numbers are fitted."""
    count = len(quantity.names)
    moving = count if quantity.moving is None else quantity.moving
    return count + moving * (terms - 1)


def _quantities(config: ComparatorConfig, form: str) -> list[_Quantity]:
    names = delay_names(config.clocked, form)
    sides: dict[int | None, str] = {None: ""}
    if not config.clocked:
        sides = {sign: f"_{text}" for sign, text in DECISIONS.items()}
    found = []
    for sign, side in sides.items():
        found.append(_Quantity("delay", sign, names, side, delay_law(names), partial(_delay_start, names)))
        if config.clocked:
            found.append(
                _Quantity("energy", sign, ("e_0", "p_undecided"), side, lambda t, e, p: e + p * t,
                          lambda t, y: [float(y.min()) / 2, float(np.ptp(y) / np.ptp(t))], over_delay=True)
            )  # fmt: skip
        else:
            found.append(
                _Quantity("energy", sign, ("e_0", "e_x", "v_e"), side, lambda u, e, x, v: e + x * np.exp(-u / v),
                          lambda u, y: [float(y.min()), float(np.ptp(y)), float(np.median(u))], moving=1)
            )  # fmt: skip
    found.append(
        _Quantity("kickback_charge", None, ("kickback", "kickback_capacitance"), "", lambda u, q, c: q + c * u,
                  lambda u, y: [float(y.min()), float(max(y[np.argmax(u)] - y.min(), 0.01 * y.min()) / u.max())])
    )  # fmt: skip
    return found


def _delay_start(names: tuple[str, ...], u: Array, t: Array) -> list[float]:
    """From the slope over ln u and the shortest delay."""
    tau = float(np.ptp(t) / np.log(u.max() / u.min()))
    knee = float(np.sqrt(u.max() * u.min()))
    guess = {"t_0": 0.5 * float(t.min()), "tau": tau, "v_x": float(u.max()), "v_s": knee, "q": 0.1 * knee * tau}
    if "t_0" not in names:
        guess["v_x"] = float(np.exp(np.log(u.max()) + t.min() / tau))
    return [guess[name] for name in names]


def _fitted(points: Points, quantity: _Quantity) -> dict[str, Parameter]:
    """Parameters of a law, each with its slope over common mode and, of several temperatures, its exponent."""
    at = points.figure(quantity.figure, quantity.decision).seen()
    x = points.figure("delay", quantity.decision).seen().values if quantity.over_delay else at.overdrive
    if x.shape != at.values.shape or not x.size:
        raise CosimError(f"the data set does not show {quantity.figure} where the delay is known", key=quantity.figure)
    count = len(quantity.names)
    moving = count if quantity.moving is None else quantity.moving
    terms = condition_terms(points)
    far = np.stack([_distance(points, at, term) for term in terms])  # (terms, points)
    first = np.array(quantity.start(x, at.values))
    # All unknowns begin at 1 and have about this size: logarithms of the parameters, and what a term does over the
    # range of its condition.
    spans = np.ptp(far, axis=1)

    def natural(theta: Array) -> Array:
        """Rows: the parameters, then how each moves with each term of the condition; shape (1 + terms, count)."""
        table = np.zeros((1 + len(terms), count))
        table[0] = first * np.exp(theta[:count] - 1)
        table[1:, :moving] = (theta[count:].reshape(-1, moving) - 1) / spans[:, None]
        return table

    def residual(theta: Array, mask: Mask) -> Array:
        table = natural(theta)
        moved = table[0][:, None] * np.exp(table[1:].T @ far[:, mask])
        return np.asarray(quantity.law(x[mask], *moved) / at.values[mask] - 1)

    reach = np.full(count + moving * len(terms), LARGEST_MOVE)
    best = fit_least_squares(
        residual, np.ones(reach.shape), at.overdrive, bounds=(1 - reach, 1 + reach), what=f"the {quantity.figure}"
    )
    ends = [natural(each) for each in (best.values, best.low, best.high)]
    found = {}
    for i, name in enumerate(quantity.names):
        unit, text = _TEXTS[name]
        place = quantity.side.replace("_", " towards ")
        side = quantity.side
        rows = [(name + side, unit, text + place)]
        rows += [(f"{name}{side}_{term}", _MOVES[term][0], f"{name}{place}: {_MOVES[term][1]}") for term in terms]
        for j, (key, kind, words) in enumerate(rows[: len(rows) if i < moving else 1]):
            value, low, high = (float(each[j, i]) for each in ends)
            found[key] = Parameter(value, kind, low, high, words)
    return found


def _noise(points: Points) -> dict[str, Parameter]:
    """Noise as a power of temperature and an exponential in the common mode; nothing where the data set has none."""
    at = points.figure("noise").seen()
    if not at.values.size:
        return {}
    terms = condition_terms(points)
    rows = np.stack([np.ones_like(at.values), *(_distance(points, at, term) for term in terms)], axis=1)
    if np.linalg.matrix_rank(rows) < rows.shape[1]:
        raise CosimError("the noise is known at too few conditions to fit it", key="noise", value=at.values.size)
    logs = np.log(at.values) - (0.0 if "exponent" in terms else KT_EXPONENT * _distance(points, at, "exponent"))
    theta = np.linalg.lstsq(rows, logs, rcond=None)[0]
    unit, text = _TEXTS["noise"]
    found = {"noise": Parameter(float(np.exp(theta[0])), unit, description=text)}
    for term, value in zip(terms, theta[1:].tolist(), strict=True):
        found[f"noise_{term}"] = Parameter(value, _MOVES[term][0], description=f"noise: {_MOVES[term][1]}")
    if "exponent" not in terms:
        text = "noise: power of the absolute temperature, that of k T, not fitted"
        found["noise_exponent"] = Parameter(KT_EXPONENT, "1", description=text)
    return found


def _distance(points: Points, at: Figure, term: str) -> Array:
    """What a term multiplies at each point; see `behaviour.moved_by`."""
    conditions = zip(at.v_cm.tolist(), at.temperature.tolist(), strict=True)
    return np.array([moved_by(points.config, v, t)[term] for v, t in conditions])


def _told(ask: Callable[..., Array], at: Figure, decision: int) -> Array:
    """What the model says at each point: asked once for each condition."""
    told = np.empty(at.values.shape)
    for v, t in {(float(v), float(t)) for v, t in zip(at.v_cm, at.temperature, strict=True)}:
        here = (at.v_cm == v) & (at.temperature == t)
        told[here] = ask(at.overdrive[here], decision, v, t)
    return told


def _joined(figures: Sequence[Figure]) -> Figure:
    return Figure(*(np.concatenate([getattr(each, name) for each in figures]) for name in Figure.__dataclass_fields__))


def _relative(name: str, at: Figure, told: Array, x: Array, x_label: str, parameters: int) -> Residuals:
    return Residuals(
        quantity=name,
        reference=at.values,
        predicted=told,
        error=told / at.values - 1,
        unit="relative",
        held_out=at.held_out,
        x=x,
        x_label=x_label,
        limit=LIMIT,
        split=f"nominal circuit at {SPLIT}",
        parameters=parameters,
    )
