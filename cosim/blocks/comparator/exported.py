"""What the exports of the comparator have in common: the numbers of one comparator under one condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from cosim.blocks.comparator.behaviour import DECISIONS, ComparatorModel, delay_names
from cosim.blocks.config import Volt
from cosim.blocks.exports import ChipOptions, checked_options
from cosim.seeds import stream


class ComparatorExport(ChipOptions):
    """Options of the comparator's exports."""

    v_cm: Volt | None = Field(
        None, ge=0, le=5.5, description="common mode that noise and delay are of; default: of the characterisation"
    )
    temperature: float | None = Field(
        None, ge=-40, le=125, description="temperature [deg C]; default: of the characterisation"
    )


@dataclass(frozen=True)
class ExportedComparator:
    """A comparator of the model, ready to be written.

    Attributes
    ----------
    name: of the module or subcircuit.
    offset, slope, bend: offset + slope d + bend d^2 is the offset [V], d the common mode less `v_cm` [V]; between `low`
        and `high` [V], constant beyond.
    noise: input-referred rms [V]; 0 where the model knows none.
    delays: decision (1 or -1) -> name of a parameter of the delay's law -> its value in SI units.
    supply: nominal supply of the characterisation [V].
    notes: for the header.
    """

    name: str
    clocked: bool
    offset: float
    slope: float
    bend: float
    v_cm: float
    low: float
    high: float
    noise: float
    delays: Mapping[int, Mapping[str, float]]
    supply: float
    notes: tuple[str, ...]


def exported_comparator(model: ComparatorModel, options: Mapping[str, Any]) -> ExportedComparator:
    """The comparator that the options ask for; CosimError for options that the export does not have."""
    chosen = checked_options(ComparatorExport, options)
    config = model.config
    v_cm = config.v_cm if chosen.v_cm is None else chosen.v_cm
    temperature = config.temperature if chosen.temperature is None else chosen.temperature
    low, high = model.domain.limits["v_cm"]
    places = np.array([v_cm, low, 0.5 * (low + high), high])
    if chosen.seed is None:
        which = "The nominal comparator"
        offsets = [model.offset_mean(float(each), temperature) for each in places]
    else:
        which = f"A comparator drawn with seed {chosen.seed}"
        chip = model.draw_chips(1, np.random.default_rng(stream(chosen.seed, "export: comparator")))
        offsets = [float(model.offsets(chip, float(each), temperature)[0]) for each in places]
    # The model's offset is a polynomial of second order in the common mode.
    bend, slope = np.polyfit(places[1:] - v_cm, np.array(offsets[1:]) - offsets[0], 2)[:2] if high > low else (0.0, 0.0)
    clocked = config.clocked
    delays = {}
    for decision, word in DECISIONS.items():
        side = "" if clocked else f"_{word}"
        names = delay_names(clocked, model.form)
        delays[decision] = {name: model.at(name + side, v_cm, temperature) for name in names}
    noise = model.noise(v_cm, temperature) if "noise" in model.parameters else 0.0
    kind = "clocked" if clocked else "continuous-time"
    notes = (
        f"{which}, {kind}, at a common mode of {v_cm:g} V and {temperature:g} deg C: offset {offsets[0]:.6g} V, noise"
        f" {noise:.4g} V rms. The offset follows the common mode d from there by {slope:.4g} d + {bend:.4g} d^2 between"
        f" {low:g} and {high:g} V, and is constant beyond; noise and delay are those of the stated common mode.",
    )
    return ExportedComparator(
        name=chosen.name or "comparator_model",
        clocked=clocked,
        offset=offsets[0],
        slope=float(slope),
        bend=float(bend),
        v_cm=v_cm,
        low=low,
        high=high,
        noise=noise,
        delays=delays,
        supply=config.v_dd,
        notes=notes,
    )
