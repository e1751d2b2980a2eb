"""`cosim demo`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from cosim.commands.common import check_seed, check_writable, interval, out, print_json


def demo(
    output: Path, spice_chips: int, chips: int, images: int, seed: int, workers: int | None, as_json: bool
) -> None:
    """`cosim demo`."""
    from cosim.demo import DemoOptions, run_demo

    check_seed(seed)
    check_writable(output, folder=True)
    options = DemoOptions(spice_chips, chips, images, seed, workers)
    command = f"cosim demo --spice-chips {spice_chips} --chips {chips} --images {images} --seed {seed}"
    say = (lambda text: None) if as_json else (lambda text: out.print(text, style="bold"))
    results = run_demo(output, options, say, command)
    if as_json:
        print_json(results)
        return
    _print_demo(results)


def _print_demo(results: Mapping[str, Any]) -> None:
    for function, adc in results["adc"].items():
        table = Table(
            "threshold", "ideal", "SPICE", "model", "error [LSB]", title=f"ramp ADC, {function}, nominal chip"
        )
        for row in adc["table"]:
            table.add_row(
                str(row["threshold"]),
                *(f"{row[each]:+.4f}" for each in ("ideal", "spice", "model")),
                f"{row['error']:+.4f}",
            )
        out.print(table)
        error = adc["error"]
        out.print(
            f"model against ngspice on unseen chips: {error['rms']:.4f} LSB rms, {error['maximum']:.4f} LSB at most,"
            f" {error['points']} thresholds"
        )
        for each in adc["v_read"]:
            out.print(
                f"  V_read {each['v_read']:.2f} V, {each['ramp']:6} ramp: thresholds move by {each['shift']:.3f} LSB"
            )
        chips = adc["v_read_chips"]
        if chips:
            worst = max(chips, key=lambda each: float(each["shift"]))
            out.print(
                f"  with mismatch: {worst['shift']:.3f} LSB at a comparator offset of {worst['offset'] * 1e3:+.1f} mV,"
                f" {worst['shift_without_offset']:.3f} LSB without the offset's part"
            )
    for each in results["tile_v_read"]["rows"]:
        out.print(
            f"whole tile at V_read {each['v_read']:.2f} V: MAC results move by {each['mac_change']:.1e} units,"
            f" {each['codes_changed']} of {results['tile_v_read']['conversions']} codes change"
        )
    for cell in ("linear", "sinh"):
        error = results["crossbar"][cell]
        out.print(f"crossbar, {cell} cells: {error['rms']:.2g} rms, {error['maximum']:.2g} at most ({error['unit']})")
    table = Table(
        "tiles", "accuracy", "95 % interval", "of", title=f"accuracy on {results['accuracy']['images']} test images"
    )
    for row in results["accuracy"]["rows"]:
        table.add_row(row["name"], f"{row['accuracy']:.2%}", interval(row["interval"]), row["note"])
    out.print(table)
    pair = results["accuracy"]["paired"]
    out.print(f"quantised minus float: {pair['difference']:+.2%} {interval(pair['interval'])} (paired)")
    pair = results["accuracy"]["paired_behavioural"]
    out.print(f"behavioural minus float: {pair['difference']:+.2%} {interval(pair['interval'])} (paired)")
    table = Table("non-ideality alone", "accuracy", "cost", "95 % interval", "chip-to-chip", title="ladder")
    for rung in results["ladder"]:
        table.add_row(
            rung["label"],
            f"{rung['accuracy']:.2%}",
            f"{rung['cost']:+.2%}",
            interval(rung["cost_interval"]),
            f"{rung['spread']:.2%}",
        )
    out.print(table)
    loop = results["cosimulation"]
    out.print(
        f"SPICE in the loop: {loop['conversions']} conversions, {loop['equal']:.2%} of codes equal"
        f" {interval(loop['interval'])}, {loop['within_one']:.2%} within 1 LSB"
    )
    for image in loop["images"]:
        out.print(
            f"  image {image['index']} ({image['label']}): ngspice {image['spice']}, model {image['behavioural']}"
        )
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in results["elapsed"].items())
    out.print(f"time: {stages}")
    out.print(f"report: {results['report']}")
