"""The answer at the top of the page: one sentence and a few lines, from what was run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cosim.reports.numbers import NBSP, fixed, percent, percent_range, points, points_range, significant

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Headline:
    """A line of the table at the top: the figure, its value, how far it may be off, and what it rests on."""

    what: str
    value: str
    range: str
    basis: str


def answer(results: Results) -> str:
    """One sentence that says what came out."""
    parts = []
    adc = results.get("adc") or {}
    if adc:
        worst = max((each["error"] for each in adc.values()), key=lambda error: error["rms"])
        parts.append(
            f"the behavioural model places the thresholds of ramp-ADC chips that it has not seen within"
            f" {fixed(worst['rms'], 4)} {worst['unit']} rms of ngspice"
        )
    found = results.get("cosimulation")
    if found:
        parts.append(f"it gives the same code in {percent(found['equal'])} of {found['conversions']} gate conversions")
    accuracy = results.get("accuracy")
    if accuracy:
        chips, plain = row_of(accuracy, "behavioural"), row_of(accuracy, "float")
        row = chips or plain or accuracy["rows"][-1]
        text = f"the network recognises {percent(row['accuracy'])} of {accuracy['images']} test images"
        if chips:
            text += " on simulated chips"
            if plain:
                text += f", {percent(plain['accuracy'])} in floating point"
        parts.append(text)
    if not parts:
        return "Nothing was run."
    text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + ", and " + parts[-1]
    return text[0].upper() + text[1:] + "."


def headlines(results: Results) -> list[Headline]:
    """The table at the top."""
    lines = [*_adc(results.get("adc") or {}), *_crossbar(results.get("crossbar"))]
    lines += [*_cosimulation(results.get("cosimulation")), *_accuracy(results.get("accuracy"))]
    return lines


def row_of(accuracy: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The first row whose name begins so."""
    return next((row for row in accuracy["rows"] if row["name"].startswith(name)), None)


def crossbar_errors(crossbar: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Errors of the crossbar's model by kind of cell: on all held-out points, then by part of the data."""
    lines = []
    for cell in ("linear", "sinh"):
        if crossbar.get(cell):
            lines.append({"cell": cell, "part": "all held out", **crossbar[cell]})
        parts = (crossbar.get("errors") or {}).get(cell) or {}
        lines += [{"cell": cell, "part": name.replace("_", " "), **error} for name, error in parts.items()]
    return lines


def _adc(adc: Mapping[str, Any]) -> Iterator[Headline]:
    for function, each in adc.items():
        error = each["error"]
        yield Headline(
            f"Ramp ADC ({function}), thresholds against SPICE",
            f"{fixed(error['rms'], 4)}{NBSP}{error['unit']} rms",
            f"{fixed(error['maximum'], 4)}{NBSP}{error['unit']} at most",
            f"{error['points']} held-out thresholds{_limit(error)}",
        )
    for function, each in list(adc.items())[:1]:
        rows = each.get("v_read") or []
        for ramp, name in (("column", "memristor column"), ("fixed", "fixed reference ramp")):
            swept = [row for row in rows if row["ramp"] == ramp]
            if swept:
                ends = [f"{end(row['v_read'] for row in swept):.2f}" for end in (min, max)]
                yield Headline(
                    f"Threshold shift with V_read, {name}",
                    f"{significant(max(row['shift'] for row in swept))}{NBSP}LSB at most",
                    "–",
                    f"{ends[0]} to {ends[1]}{NBSP}V, nominal chip, {function}, in ngspice",
                )


def _crossbar(crossbar: Mapping[str, Any] | None) -> Iterator[Headline]:
    if not crossbar:
        return
    for cell in ("linear", "sinh"):
        error = crossbar.get(cell)
        if error:
            yield Headline(
                f"Crossbar ({cell} cells), currents against SPICE",
                f"{_share(error['rms'])} rms",
                f"{_share(error['maximum'])} at most",
                f"{error['points']} held-out currents, relative to full scale{_limit(error)}",
            )


def _cosimulation(found: Mapping[str, Any] | None) -> Iterator[Headline]:
    if not found:
        return
    basis = f"{found['conversions']} conversions; "
    if found["equal"] == 1:
        basis += "no code differs"
    else:
        basis += f"{percent(found['within_one'], 2)} within 1{NBSP}LSB, at most {found['largest']}{NBSP}LSB"
    interval = percent_range(found.get("interval"), 2)
    yield Headline("Gate codes, model equal to SPICE", percent(found["equal"], 2), interval, basis)
    images = found.get("images") or []
    if images:
        same = sum(each["spice"] == each["behavioural"] for each in images)
        yield Headline(
            "Images, same class as in SPICE",
            f"{same} of {len(images)}",
            "–",
            "complete images, every step and gate in ngspice",
        )


def _accuracy(accuracy: Mapping[str, Any] | None) -> Iterator[Headline]:
    if not accuracy:
        return
    for row in accuracy["rows"]:
        yield Headline(
            f"Accuracy, {row['name']}",
            percent(row["accuracy"], 2),
            percent_range(row.get("interval"), 2),
            f"{accuracy['images']} test images; interval: {row.get('kind', 'binomial')}",
        )
    pair = accuracy.get("paired")
    if pair:
        yield Headline(
            "Quantised minus float, paired",
            f"{points(pair['difference'])} points",
            f"{points_range(pair.get('interval'))} points",
            pair.get("method", "the same images"),
        )
    pair = accuracy.get("paired_behavioural")
    if pair:
        yield Headline(
            "Behavioural minus float, paired",
            f"{points(pair['difference'])} points",
            f"{points_range(pair.get('interval'))} points",
            pair.get("method", "the same images"),
        )


def _share(share: float, digits: int = 3) -> str:
    """A share in percent where that reads well, else as a plain number."""
    return f"{significant(100 * share, digits)}{NBSP}%" if share >= 1e-5 else significant(share, digits)


def _limit(error: Mapping[str, Any]) -> str:
    """Whether the model keeps the error that it may have at most, where that is known."""
    limit = error.get("limit")
    if limit is None:
        return ""
    size = f"{limit:g}{NBSP}{error['unit']}" if error["unit"] == "LSB" else _share(limit, 1)
    return f"; limit {size} ({'held' if error['rms'] <= limit else 'exceeded'})"
